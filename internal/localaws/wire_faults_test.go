package localaws_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

func TestFaultsOfACallThatAnSDKRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    wire.Fault
		outcomes []string
	}{
		"throttled":         {wire.Fault{Error: wire.Throttled()}, []string{"ThrottlingException", ""}},
		"an internal error": {wire.Fault{Error: &wire.Error{Code: "InternalServiceError", Status: 500}}, []string{"InternalServiceError", ""}},
		"the reply lost":    {wire.Fault{LoseReply: true}, []string{wire.NoReplyLost, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{})
			f.CreateSecret("s", "1")
			f.FaultOnce("PutSecretValue", c.fault)
			if err := f.Put(localtest.Token("two"), "2"); err != nil {
				t.Fatal(err)
			}
			if got := f.Outcomes("PutSecretValue"); !slices.Equal(got, c.outcomes) {
				t.Errorf("got %q", got)
			}
			var retries []bool
			for _, call := range f.Calls() {
				if call.Operation == "PutSecretValue" {
					retries = append(retries, call.Retry)
				}
			}
			if !slices.Equal(retries, []bool{false, true}) {
				t.Errorf("calls that count as retries: %v", retries)
			}
		})
	}
}

func TestALostReplyMakesTheRetryOfALabelMoveFail(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.CreateSecret("s", "1")
	f.Put(localtest.Token("two"), "2", "AWSPENDING")
	f.FaultOnce("UpdateSecretVersionStage", wire.Fault{LoseReply: true})
	localtest.WantError(t, f.MoveLabel("s", "AWSCURRENT", localtest.Token("two"), one), "InvalidParameterException", "RemoveFromVersionId")
	f.WantLabels(map[string]string{"AWSCURRENT": localtest.Token("two"), "AWSPENDING": localtest.Token("two"), "AWSPREVIOUS": one})
}

func TestALateCallIsAppliedWhenReleased(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	release, applied := make(chan struct{}), make(chan struct{})
	f.FaultOnce("PutSecretValue", wire.Fault{Late: release, After: func() { close(applied) }})
	client := secretsmanager.NewFromConfig(f.Config(), func(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 })
	_, err := client.PutSecretValue(f.Ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("s"), SecretString: aws.String("late"), ClientRequestToken: aws.String(localtest.Token("late")),
	})
	if err == nil {
		t.Fatal("the call was answered")
	}
	f.Put(localtest.Token("two"), "2")
	close(release)
	<-applied
	f.WantLabels(map[string]string{"AWSCURRENT": localtest.Token("late"), "AWSPREVIOUS": localtest.Token("two")})
}

func TestACallIsHeldUpAlone(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	arrived, release := make(chan struct{}), make(chan struct{})
	f.FaultOnce("PutSecretValue", wire.Fault{Before: func() { close(arrived); <-release }})
	held := make(chan error)
	go func() { held <- f.Put(localtest.Token("two"), "2") }()
	<-arrived
	if err := f.Put(localtest.Token("three"), "3"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	state, _ := f.SecretsManager.State("s")
	if got := state.Labelled("AWSCURRENT").Value; got != "2" {
		t.Errorf("current is %q", got)
	}
}

func TestTheEnvironmentThatMadeACallIsKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   wire.Fault
		written bool
	}{
		"before it is applied":    {wire.Fault{KillBefore: true}, false},
		"after, before the reply": {wire.Fault{KillAfter: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{RotationRetries: -1})
			arn := f.Function(locallambda.Function{Name: "rotate", Timeout: 20 * time.Second})
			f.CreateSecret("s", "old")
			two := localtest.Token("two")
			f.FaultOnce("PutSecretValue", c.fault)
			f.Rotate(arn, two)
			err := f.SecretsManager.WaitRotation(f.Ctx, "s", two)
			if err == nil || !strings.Contains(err.Error(), "Runtime exited with error: signal: killed") {
				t.Errorf("got %v", err)
			}
			state, _ := f.SecretsManager.State("s")
			if got := state.Labelled("AWSPENDING").HasValue; got != c.written {
				t.Errorf("the pending value is there: %v", got)
			}

			// The service tries again, with the same token, in another process.
			localtest.WantError(t, f.Rotate("", localtest.Token("three")), "InvalidRequestException", "reattempted")
			if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClosingEndsARotationUnderWay(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.Function(locallambda.Function{Name: "rotate", Timeout: time.Minute})
	f.CreateSecret("s", "old")
	arrived := make(chan struct{})
	forever := make(chan struct{})
	defer close(forever)
	f.FaultOnce("PutSecretValue", wire.Fault{Before: func() { close(arrived); <-forever }})
	f.Rotate(arn, localtest.Token("two"))
	<-arrived
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", ""); !errors.Is(err, host.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
