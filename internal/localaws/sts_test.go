package localaws_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

func TestAClientIsTheOperatorAndAFunctionItsRole(t *testing.T) {
	t.Parallel()
	refused := func(wire.AccessRequest) error { return context.Canceled }
	f := start(t, localaws.Options{AccountID: "210987654321", Authorize: refused})
	want := func(out *sts.GetCallerIdentityOutput, err error, arn, id string) {
		t.Helper()
		if err != nil || *out.Arn != arn || *out.Account != "210987654321" || *out.UserId != id {
			t.Errorf("%+v, %v", out, err)
		}
	}
	out, err := sts.NewFromConfig(localtest.ClientConfig(f.Server)).GetCallerIdentity(f.Ctx, nil)
	want(out, err, "arn:aws:iam::210987654321:user/operator", "AIDAIOSFODNN7EXAMPLE")
	f.Handler(locallambda.Function{Name: "fn", Timeout: time.Minute, Handler: func(ctx context.Context, _ []byte) ([]byte, error) {
		out, err := sts.NewFromConfig(f.HandlerConfig(ctx)).GetCallerIdentity(ctx, nil)
		want(out, err, "arn:aws:sts::210987654321:assumed-role/fn/fn", "AROAIOSFODNN7EXAMPLE:fn")
		return nil, nil
	}})
	if _, err := f.Lambda.Invoke("fn", nil); err != nil {
		t.Fatal(err)
	}
	_, err = sts.NewFromConfig(f.Config()).GetSessionToken(f.Ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
	localtest.WantError(t, err, "InvalidAction", "")
}
