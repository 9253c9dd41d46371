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
		state, err := r.Secret(e.SecretID)
		if err != nil {
			return nil, err
		}
		if from := state.Labelled("AWSCURRENT").ID; from != e.ClientRequestToken {
			return nil, r.move(e.SecretID, "AWSCURRENT", e.ClientRequestToken, from)
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
	function = f.handler(localaws.Function{Name: "rotate", Handler: r.handle, Timeout: 20 * time.Second})
	_, one = f.create("s", "old")
	return f, r, function, one, token("two")
}

// story tells what the rotation service did, in its order.
func (f *fixture) story() string {
	var b strings.Builder
	for _, e := range f.Events() {
		switch e := e.(type) {
		case localaws.RotationEvent:
			fmt.Fprintf(&b, "%s ", e.Name)
		case localaws.StepFinished:
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
	f.t.Helper()
	if got := f.story(); got != want {
		f.t.Errorf("the rotation service did:\n%s\nwant:\n%s", got, want)
	}
}

func TestARotationInvokesTheFourStepsOfTheRealBinary(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.function(localaws.Function{Name: "rotate", Timeout: 20 * time.Second})
	_, one := f.create("s", "old")
	two := token("only.database.emergency.")
	if err := f.rotate(arn, two); err != nil {
		t.Fatal(err)
	}
	if err := f.WaitRotation(f.ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	f.wantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
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
		f.wantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
		_, err := f.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId: &e.SecretID, VersionId: &e.ClientRequestToken, VersionStage: aws.String("AWSPENDING"),
		})
		wantError(t, err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: "+two)
		return nil
	}
	if err := f.rotate(fn, two); err != nil {
		t.Fatal(err)
	}
	if err := f.WaitRotation(f.ctx, "s", ""); err != nil {
		t.Fatal(err)
	}
}

func TestRotateSecretIsRefused(t *testing.T) {
	t.Parallel()
	f, _, fn, _, _ := rotating(t, localaws.Options{})
	denied := f.handler(localaws.Function{Name: "denied", Handler: new(rotator).handle, DenySecretsManager: true})
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
			_, err := f.secrets.RotateSecret(f.ctx, &c.in)
			wantError(t, err, c.code, c.message)
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
	f.rotate(fn, two)
	if err := f.WaitRotation(f.ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	f.wantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
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
	f.rotate(fn, two)
	err := f.WaitRotation(f.ctx, "s", two)
	if failed := new(localaws.StepError); !errors.As(err, &failed) || failed.Step != "setSecret" || failed.Message != "broken" || failed.Type != "errorString" {
		t.Fatalf("got %v", err)
	}
	f.wantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})

	broken = false
	err = f.rotate("", token("three"))
	wantError(t, err, "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	if err := f.WaitRotation(f.ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	f.wantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
	f.wantStory("RotationStarted create set! RotationFailed RotationStarted create set test finish RotationSucceeded")
}

func TestARepeatedRotateSecretStartsNothingNew(t *testing.T) {
	t.Parallel()
	f, _, fn, _, two := rotating(t, localaws.Options{})
	for range 2 {
		if err := f.rotate(fn, two); err != nil {
			t.Fatal(err)
		}
		if err := f.WaitRotation(f.ctx, "s", two); err != nil {
			t.Fatal(err)
		}
	}
	f.wantStory("RotationStarted create set test finish RotationSucceeded")
}

func TestSuccessNeedsTheTokenToBeCurrent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		finish func(f *fixture, two, one string)
		want   string
	}{
		"no promotion": {func(*fixture, string, string) {}, "AWSCURRENT is not on version"},
		"AWSPENDING removed by a call of its own": {func(f *fixture, two, one string) {
			f.move("s", "AWSCURRENT", two, one)
			f.move("s", "AWSPENDING", "", two)
		}, "AWSPENDING was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{RotationRetries: -1})
			_, one := f.create("s", "old")
			two := token("two")
			fn := f.handler(localaws.Function{Name: "rotate", Handler: func(_ context.Context, payload []byte) ([]byte, error) {
				if strings.Contains(string(payload), "finishSecret") {
					c.finish(f, two, one)
				}
				return nil, nil
			}})
			f.rotate(fn, two)
			if err := f.WaitRotation(f.ctx, "s", two); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAValueWrittenByHandAbandonsARotation(t *testing.T) {
	t.Parallel()
	for _, during := range []string{"under way", "failed"} {
		t.Run(during, func(t *testing.T) {
			t.Parallel()
			f, r, fn, one, two := rotating(t, localaws.Options{RotationRetries: -1})
			byHand := token("by hand")
			r.before = func(_ context.Context, e step) error {
				switch {
				case e.Step != "setSecret":
				case during == "failed":
					return errors.New("broken")
				default:
					return f.put(byHand, "by hand")
				}
				return nil
			}
			f.rotate(fn, two)
			err := f.WaitRotation(f.ctx, "s", two)
			if during == "failed" {
				if err := f.put(byHand, "by hand"); err != nil {
					t.Fatal(err)
				}
				f.wantStory("RotationStarted create set! RotationFailed RotationAbandoned")
			} else {
				if !errors.Is(err, localaws.ErrRotationAbandoned) {
					t.Errorf("got %v", err)
				}
				f.wantStory("RotationStarted create set RotationAbandoned")
			}
			f.wantLabels(map[string]string{"AWSCURRENT": byHand, "AWSPREVIOUS": one})
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
		out, err := f.secrets.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("s")})
		if err == nil && aws.ToString(out.VersionId) != two {
			t.Errorf("version %v", out.VersionId)
		}
		return err
	}
	f.rotate(fn, two)
	if err := f.WaitRotation(f.ctx, "s", two); !errors.Is(err, localaws.ErrRotationCancelled) {
		t.Errorf("got %v", err)
	}
	f.wantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
	d := f.describe()
	if d.RotationEnabled == nil || *d.RotationEnabled || d.NextRotationDate != nil || aws.ToString(d.RotationLambdaARN) != fn {
		t.Errorf("%+v", d)
	}
	wantError(t, f.rotate("", token("three")), "InvalidRequestException", "A previous rotation isn't complete.")
}

func (f *fixture) describe() *secretsmanager.DescribeSecretOutput {
	f.t.Helper()
	d, err := f.secrets.DescribeSecret(f.ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func TestATestOnlyRotationRunsTestSecretOnAVersionThatGoesAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value    localaws.TestRotationValue
		hasValue bool
		failure  error
		want     string
	}{
		"without a value":                   {localaws.TestRotationNoValue, false, nil, "TestRotationStarted test TestRotationSucceeded"},
		"with a copy of the current value":  {localaws.TestRotationCurrentValue, true, nil, "TestRotationStarted test TestRotationSucceeded"},
		"that fails, and is not tried anew": {localaws.TestRotationNoValue, false, errors.New("no route"), "TestRotationStarted test! TestRotationFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r, fn, one, two := rotating(t, localaws.Options{Variants: localaws.Variants{TestRotationValue: c.value}})
			r.before = func(context.Context, step) error {
				f.wantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
				state, _ := f.Secret("s")
				if v := state.Labelled("AWSPENDING"); v.HasValue != c.hasValue {
					t.Errorf("the temporary version: %+v", v)
				}
				return c.failure
			}
			_, err := f.secrets.RotateSecret(f.ctx, &secretsmanager.RotateSecretInput{
				SecretId: aws.String("s"), ClientRequestToken: &two, RotationLambdaARN: &fn, RotateImmediately: aws.Bool(false),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := f.WaitRotation(f.ctx, "s", two); (err != nil) != (c.failure != nil) {
				t.Errorf("got %v", err)
			}
			f.wantStory(c.want)
			state, _ := f.Secret("s")
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
		variant          localaws.PendingAfterSuccess
		afterPromotion   bool
		afterTheRotation bool
	}{
		"is removed on completion":                    {localaws.PendingRemovedOnCompletion, true, false},
		"is removed by the move of AWSCURRENT":        {localaws.PendingRemovedOnPromotion, false, false},
		"stays, and then blocks after a rollback too": {localaws.PendingStays, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _, fn, one, two := rotating(t, localaws.Options{RotationRetries: -1, Variants: localaws.Variants{PendingAfterSuccess: c.variant}})
			pendingAt := func() bool {
				state, _ := f.Secret("s")
				return state.Labelled("AWSPENDING").ID == two
			}
			f.Intercept(func(call localaws.Call) localaws.Fault {
				if call.Operation != "UpdateSecretVersionStage" {
					return localaws.Fault{}
				}
				return localaws.Fault{After: func() {
					if pendingAt() != c.afterPromotion {
						t.Errorf("AWSPENDING after the promotion: %v", !c.afterPromotion)
					}
				}}
			})
			f.rotate(fn, two)
			if err := f.WaitRotation(f.ctx, "s", two); err != nil {
				t.Fatal(err)
			}
			f.Intercept(nil)
			if pendingAt() != c.afterTheRotation {
				t.Errorf("AWSPENDING after the rotation: %v", !c.afterTheRotation)
			}
			f.move("s", "AWSCURRENT", one, two)
			err := f.rotate("", token("three"))
			if c.afterTheRotation {
				wantError(t, err, "InvalidRequestException", "A previous rotation isn't complete.")
			} else {
				wantError(t, err, "", "")
			}
		})
	}
}

func TestARotationTokenIsPassedOnAndRecorded(t *testing.T) {
	t.Parallel()
	f, r, fn, _, two := rotating(t, localaws.Options{Variants: localaws.Variants{RotationTokenSent: true}})
	sent := ""
	r.before = func(_ context.Context, e step) error { sent = e.RotationToken; return nil }
	f.rotate(fn, two)
	if err := f.WaitRotation(f.ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	state, _ := f.Secret("s")
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
		f.move("s", fmt.Sprint("label ", i), one, "")
	}
	wantError(t, f.rotate(fn, two), "LimitExceededException", "20 staging labels")
}
