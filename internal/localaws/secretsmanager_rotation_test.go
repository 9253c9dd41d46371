package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// step is the event of a rotation function.
type step struct{ Step, SecretID, ClientRequestToken, RotationToken string }

// rotator is a rotation function in process. A test may act before a step or fail it.
type rotator struct {
	*fixture
	before func(ctx context.Context, e step) error
}

func (r *rotator) handle(ctx context.Context, payload []byte) ([]byte, error) {
	var e step
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	if r.before != nil {
		if err := r.before(ctx, e); err != nil {
			return nil, err
		}
	}
	client := secretsmanager.NewFromConfig(r.HandlerConfig(ctx))
	switch e.Step {
	case "createSecret":
		_, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
			SecretId: &e.SecretID, ClientRequestToken: &e.ClientRequestToken, SecretString: aws.String("new"),
			VersionStages: []string{"AWSPENDING"}, RotationToken: optional(e.RotationToken),
		})
		return nil, err
	case "finishSecret":
		state, err := r.SecretsManager.State(e.SecretID)
		if err != nil {
			return nil, err
		}
		if from := state.Labelled("AWSCURRENT").ID; from != e.ClientRequestToken {
			return nil, r.MoveLabel(e.SecretID, "AWSCURRENT", e.ClientRequestToken, from)
		}
	}
	return nil, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// rotating is a fixture with a secret "s" and a rotator; one and two are the current version and a token to rotate to.
func rotating(t *testing.T, o localaws.Options) (f *fixture, r *rotator, function, one, two string) {
	t.Helper()
	f = start(t, o)
	r = &rotator{fixture: f}
	function = f.Handler(locallambda.Function{Name: "rotate", Handler: r.handle, Timeout: 20 * time.Second})
	_, one = f.CreateSecret("s", "old")
	return f, r, function, one, localtest.Token("two")
}

// story tells what the rotation service did, in its order.
func (f *fixture) story() string {
	var b strings.Builder
	for _, e := range f.Events() {
		switch e := e.(type) {
		case localsecretsmanager.RotationEvent:
			fmt.Fprintf(&b, "%s ", e.Name)
		case localsecretsmanager.StepFinished:
			mark := ""
			if e.Err != nil {
				mark = "!"
			}
			fmt.Fprintf(&b, "%s%s ", strings.TrimSuffix(e.Step, "Secret"), mark)
		}
	}
	return strings.TrimSpace(b.String())
}

func (f *fixture) wantStory(want string) {
	f.T.Helper()
	if got := f.story(); got != want {
		f.T.Errorf("the rotation service did:\n%s\nwant:\n%s", got, want)
	}
}

func TestARotationInvokesTheFourStepsOfTheRealBinary(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.Function(locallambda.Function{Name: "rotate", Timeout: 20 * time.Second})
	_, one := f.CreateSecret("s", "old")
	two := localtest.Token("only.database.emergency.")
	if err := f.Rotate(arn, two); err != nil {
		t.Fatal(err)
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
	f.wantStory("RotationStarted create set test finish RotationSucceeded")

	var calls []string
	for _, c := range f.Calls() {
		if c.Caller.Function == "rotate" && c.Caller.PID > 0 && c.Caller.RequestID != "" {
			calls = append(calls, c.Caller.Step+":"+c.Operation)
		}
	}
	want := "createSecret:PutSecretValue testSecret:GetSecretValue finishSecret:DescribeSecret finishSecret:UpdateSecretVersionStage"
	if got := strings.Join(calls, " "); got != want {
		t.Errorf("calls %s\nwant  %s", got, want)
	}
}

func TestThePendingVersionHasNoValueBeforeCreateSecret(t *testing.T) {
	t.Parallel()
	f, r, fn, one, two := rotating(t, localaws.Options{})
	r.before = func(ctx context.Context, e step) error {
		if e.Step != "createSecret" {
			return nil
		}
		f.WantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
		_, err := f.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId: &e.SecretID, VersionId: &e.ClientRequestToken, VersionStage: aws.String("AWSPENDING"),
		})
		localtest.WantError(t, err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: "+two)
		return nil
	}
	if err := f.Rotate(fn, two); err != nil {
		t.Fatal(err)
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", ""); err != nil {
		t.Fatal(err)
	}
}

func TestRotateSecretIsRefused(t *testing.T) {
	t.Parallel()
	f, _, fn, _, _ := rotating(t, localaws.Options{})
	denied := f.Handler(locallambda.Function{Name: "denied", Handler: new(rotator).handle, DenySecretsManager: true})
	rules := func(r types.RotationRulesType) *types.RotationRulesType { return &r }
	const noPermission = "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com."
	for _, c := range []struct {
		name          string
		in            secretsmanager.RotateSecretInput
		code, message string
	}{
		{"without a function", secretsmanager.RotateSecretInput{}, "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."},
		{"with a function that is not there", secretsmanager.RotateSecretInput{RotationLambdaARN: aws.String(fn + "x")}, "AccessDeniedException", noPermission},
		{"with a function that grants nothing", secretsmanager.RotateSecretInput{RotationLambdaARN: &denied}, "AccessDeniedException", noPermission},
		{"with a short token", secretsmanager.RotateSecretInput{RotationLambdaARN: &fn, ClientRequestToken: aws.String("x")}, "ValidationException", "greater than or equal to 32"},
		{"with a long token", secretsmanager.RotateSecretInput{RotationLambdaARN: &fn, ClientRequestToken: aws.String(strings.Repeat("x", 65))}, "ValidationException", "less than or equal to 64"},
		{"with rate(3 hours)", secretsmanager.RotateSecretInput{RotationLambdaARN: &fn, RotationRules: rules(types.RotationRulesType{ScheduleExpression: aws.String("rate(3 hours)")})}, "InvalidParameterException", "4 hours"},
		{"with both ways to say when", secretsmanager.RotateSecretInput{RotationLambdaARN: &fn, RotationRules: rules(types.RotationRulesType{ScheduleExpression: aws.String("rate(5 days)"), AutomaticallyAfterDays: aws.Int64(5)})}, "InvalidParameterException", "both"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.SecretId = aws.String("s")
			_, err := f.Secrets.RotateSecret(f.Ctx, &c.in)
			localtest.WantError(t, err, c.code, c.message)
		})
	}
}

func TestAFailedStepRetriesTheWholeRotationWithItsToken(t *testing.T) {
	t.Parallel()
	f, r, fn, one, two := rotating(t, localaws.Options{RotationRetries: 2})
	failures := 0
	r.before = func(_ context.Context, e step) error {
		if e.ClientRequestToken != two {
			t.Errorf("token %s", e.ClientRequestToken)
		}
		if e.Step == "testSecret" && failures < 2 {
			failures++
			return errors.New("not yet")
		}
		return nil
	}
	f.Rotate(fn, two)
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
	f.wantStory("RotationStarted create set test! create set test! create set test finish RotationSucceeded")
}

func TestAFailedRotationBlocksOthersAndIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	f, r, fn, one, two := rotating(t, localaws.Options{RotationRetries: -1})
	broken := true
	r.before = func(_ context.Context, e step) error {
		if broken && e.Step == "setSecret" {
			return errors.New("broken")
		}
		return nil
	}
	f.Rotate(fn, two)
	err := f.SecretsManager.WaitRotation(f.Ctx, "s", two)
	if failed := new(localsecretsmanager.StepError); !errors.As(err, &failed) || failed.Step != "setSecret" || failed.Message != "broken" || failed.Type != "errorString" {
		t.Fatalf("got %v", err)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})

	broken = false
	err = f.Rotate("", localtest.Token("three"))
	localtest.WantError(t, err, "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
	f.wantStory("RotationStarted create set! RotationFailed RotationStarted create set test finish RotationSucceeded")
}

func TestARepeatedRotateSecretStartsNothingNew(t *testing.T) {
	t.Parallel()
	f, _, fn, _, two := rotating(t, localaws.Options{})
	for range 2 {
		if err := f.Rotate(fn, two); err != nil {
			t.Fatal(err)
		}
		if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
			t.Fatal(err)
		}
	}
	f.wantStory("RotationStarted create set test finish RotationSucceeded")
}

func TestSuccessNeedsTheTokenToBeCurrent(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{RotationRetries: -1})
	f.CreateSecret("s", "old")
	two := localtest.Token("two")
	fn := f.Handler(locallambda.Function{Name: "rotate", Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil }})
	f.Rotate(fn, two)
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err == nil || !strings.Contains(err.Error(), "AWSCURRENT is not on version") {
		t.Errorf("got %v", err)
	}
}

// AWS tells a LastRotatedDate of a function that does so.
func TestARotationSucceedsThoughTheFunctionItselfTakesAWSPENDINGOffAfterThePromotion(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{RotationRetries: -1})
	_, one := f.CreateSecret("s", "old")
	two := localtest.Token("two")
	fn := f.Handler(locallambda.Function{Name: "rotate", Handler: func(_ context.Context, payload []byte) ([]byte, error) {
		if strings.Contains(string(payload), "createSecret") {
			return nil, f.Put(two, "new", "AWSPENDING")
		}
		if !strings.Contains(string(payload), "finishSecret") {
			return nil, nil
		}
		if err := f.MoveLabel("s", "AWSCURRENT", two, one); err != nil {
			return nil, err
		}
		return nil, f.MoveLabel("s", "AWSPENDING", "", two)
	}})
	f.Rotate(fn, two)
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	if d := f.describe(); d.LastRotatedDate == nil {
		t.Errorf("no LastRotatedDate: %+v", d)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
}

func TestAValueWrittenByHandAbandonsARotation(t *testing.T) {
	t.Parallel()
	for _, during := range []string{"under way", "failed"} {
		t.Run(during, func(t *testing.T) {
			t.Parallel()
			f, r, fn, one, two := rotating(t, localaws.Options{RotationRetries: -1})
			byHand := localtest.Token("by hand")
			r.before = func(_ context.Context, e step) error {
				switch {
				case e.Step != "setSecret":
				case during == "failed":
					return errors.New("broken")
				default:
					return f.Put(byHand, "by hand")
				}
				return nil
			}
			f.Rotate(fn, two)
			err := f.SecretsManager.WaitRotation(f.Ctx, "s", two)
			if during == "failed" {
				if err := f.Put(byHand, "by hand"); err != nil {
					t.Fatal(err)
				}
				f.wantStory("RotationStarted create set! RotationFailed RotationAbandoned")
			} else {
				if !errors.Is(err, localsecretsmanager.ErrRotationAbandoned) {
					t.Errorf("got %v", err)
				}
				f.wantStory("RotationStarted create set RotationAbandoned")
			}
			f.WantLabels(map[string]string{"AWSCURRENT": byHand, "AWSPREVIOUS": one})
		})
	}
}

func TestCancelRotateSecretStopsAndLeavesThePendingVersion(t *testing.T) {
	t.Parallel()
	f, r, fn, one, two := rotating(t, localaws.Options{})
	r.before = func(ctx context.Context, e step) error {
		if e.Step != "setSecret" {
			return nil
		}
		out, err := f.Secrets.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("s")})
		if err == nil && aws.ToString(out.VersionId) != two {
			t.Errorf("version %v", out.VersionId)
		}
		return err
	}
	f.Rotate(fn, two)
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); !errors.Is(err, localsecretsmanager.ErrRotationCancelled) {
		t.Errorf("got %v", err)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
	d := f.describe()
	if d.RotationEnabled == nil || *d.RotationEnabled || d.NextRotationDate != nil || aws.ToString(d.RotationLambdaARN) != fn {
		t.Errorf("%+v", d)
	}
	localtest.WantError(t, f.Rotate("", localtest.Token("three")), "InvalidRequestException", "A previous rotation isn't complete.")
}

func (f *fixture) describe() *secretsmanager.DescribeSecretOutput {
	f.T.Helper()
	d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil {
		f.T.Fatal(err)
	}
	return d
}

func TestATestOnlyRotationRunsTestSecretOnAVersionThatGoesAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value    localsecretsmanager.TestRotationValue
		hasValue bool
		failure  error
		want     string
	}{
		"without a value":                   {localsecretsmanager.TestRotationNoValue, false, nil, "TestRotationStarted test TestRotationSucceeded"},
		"with a copy of the current value":  {localsecretsmanager.TestRotationCurrentValue, true, nil, "TestRotationStarted test TestRotationSucceeded"},
		"that fails, and is not tried anew": {localsecretsmanager.TestRotationNoValue, false, errors.New("no route"), "TestRotationStarted test! TestRotationFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r, fn, one, two := rotating(t, localaws.Options{Variants: localsecretsmanager.Variants{TestRotationValue: c.value}})
			r.before = func(context.Context, step) error {
				f.WantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
				state, _ := f.SecretsManager.State("s")
				if v := state.Labelled("AWSPENDING"); v.HasValue != c.hasValue {
					t.Errorf("the temporary version: %+v", v)
				}
				return c.failure
			}
			_, err := f.Secrets.RotateSecret(f.Ctx, &secretsmanager.RotateSecretInput{
				SecretId: aws.String("s"), ClientRequestToken: &two, RotationLambdaARN: &fn, RotateImmediately: aws.Bool(false),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); (err != nil) != (c.failure != nil) {
				t.Errorf("got %v", err)
			}
			f.wantStory(c.want)
			state, _ := f.SecretsManager.State("s")
			if len(state.Versions) != 1 {
				t.Errorf("versions left: %+v", state.Versions)
			}
			if d := f.describe(); !*d.RotationEnabled {
				t.Error("rotation is off")
			}
		})
	}
}

func TestPendingAfterASuccessfulRotation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variant          localsecretsmanager.PendingAfterSuccess
		afterPromotion   bool
		afterTheRotation bool
	}{
		"is removed on completion":                    {localsecretsmanager.PendingRemovedOnCompletion, true, false},
		"is removed by the move of AWSCURRENT":        {localsecretsmanager.PendingRemovedOnPromotion, false, false},
		"stays, and then blocks after a rollback too": {localsecretsmanager.PendingStays, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _, fn, one, two := rotating(t, localaws.Options{RotationRetries: -1, Variants: localsecretsmanager.Variants{PendingAfterSuccess: c.variant}})
			pendingAt := func() bool {
				state, _ := f.SecretsManager.State("s")
				return state.Labelled("AWSPENDING").ID == two
			}
			f.Intercept(func(call wire.Call) wire.Fault {
				if call.Operation != "UpdateSecretVersionStage" {
					return wire.Fault{}
				}
				return wire.Fault{After: func() {
					if pendingAt() != c.afterPromotion {
						t.Errorf("AWSPENDING after the promotion: %v", !c.afterPromotion)
					}
				}}
			})
			f.Rotate(fn, two)
			if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
				t.Fatal(err)
			}
			f.Intercept(nil)
			if pendingAt() != c.afterTheRotation {
				t.Errorf("AWSPENDING after the rotation: %v", !c.afterTheRotation)
			}
			f.MoveLabel("s", "AWSCURRENT", one, two)
			err := f.Rotate("", localtest.Token("three"))
			if c.afterTheRotation {
				localtest.WantError(t, err, "InvalidRequestException", "A previous rotation isn't complete.")
			} else {
				localtest.WantError(t, err, "", "")
			}
		})
	}
}

func TestARotationTokenIsPassedOnAndRecorded(t *testing.T) {
	t.Parallel()
	f, r, fn, _, two := rotating(t, localaws.Options{Variants: localsecretsmanager.Variants{RotationTokenSent: true}})
	sent := ""
	r.before = func(_ context.Context, e step) error { sent = e.RotationToken; return nil }
	f.Rotate(fn, two)
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	state, _ := f.SecretsManager.State("s")
	if got := state.Labelled("AWSCURRENT").RotationToken; len(got) != 36 || got != sent {
		t.Errorf("sent %q, got %q", sent, got)
	}
	for _, c := range f.Calls() {
		if strings.Contains(c.Detail, sent) {
			t.Errorf("the token shows in %+v", c)
		}
	}
}

func TestARotationNeedsRoomForItsLabel(t *testing.T) {
	t.Parallel()
	f, _, fn, one, two := rotating(t, localaws.Options{})
	for i := range 19 {
		f.MoveLabel("s", fmt.Sprint("label ", i), one, "")
	}
	localtest.WantError(t, f.Rotate(fn, two), "LimitExceededException", "20 staging labels")
}
