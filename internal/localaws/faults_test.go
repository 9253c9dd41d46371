package localaws_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws"
)

// faultOnce applies a fault to the first call of an operation.
func (f *fixture) faultOnce(operation string, fault localaws.Fault) {
	var done atomic.Bool
	f.Intercept(func(c localaws.Call) localaws.Fault {
		if c.Operation == operation && done.CompareAndSwap(false, true) {
			return fault
		}
		return localaws.Fault{}
	})
}

// outcomes lists how the calls of an operation ended.
func (f *fixture) outcomes(operation string) []string {
	var codes []string
	for _, c := range f.Calls() {
		if c.Operation == operation {
			codes = append(codes, c.ErrorCode)
		}
	}
	return codes
}

func TestFaultsOfACallThatAnSDKRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    localaws.Fault
		outcomes []string
	}{
		"throttled":         {localaws.Fault{Error: localaws.Throttled()}, []string{"ThrottlingException", ""}},
		"an internal error": {localaws.Fault{Error: &localaws.Error{Code: "InternalServiceError", Status: 500}}, []string{"InternalServiceError", ""}},
		"the reply lost":    {localaws.Fault{LoseReply: true}, []string{localaws.NoReplyLost, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{})
			f.create("s", "1")
			f.faultOnce("PutSecretValue", c.fault)
			if err := f.put(token("two"), "2"); err != nil {
				t.Fatal(err)
			}
			if got := f.outcomes("PutSecretValue"); !slices.Equal(got, c.outcomes) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestALostReplyMakesTheRetryOfALabelMoveFail(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.create("s", "1")
	f.put(token("two"), "2", "AWSPENDING")
	f.faultOnce("UpdateSecretVersionStage", localaws.Fault{LoseReply: true})
	wantError(t, f.move("s", "AWSCURRENT", token("two"), one), "InvalidParameterException", "RemoveFromVersionId")
	f.wantLabels(map[string]string{"AWSCURRENT": token("two"), "AWSPENDING": token("two"), "AWSPREVIOUS": one})
}

func TestALateCallIsAppliedWhenReleased(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.create("s", "1")
	release, applied := make(chan struct{}), make(chan struct{})
	f.faultOnce("PutSecretValue", localaws.Fault{Late: release, After: func() { close(applied) }})
	client := secretsmanager.NewFromConfig(f.Config(), func(o *secretsmanager.Options) { o.RetryMaxAttempts = 1 })
	_, err := client.PutSecretValue(f.ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("s"), SecretString: aws.String("late"), ClientRequestToken: aws.String(token("late")),
	})
	if err == nil {
		t.Fatal("the call was answered")
	}
	f.put(token("two"), "2")
	close(release)
	<-applied
	f.wantLabels(map[string]string{"AWSCURRENT": token("late"), "AWSPREVIOUS": token("two")})
}

func TestACallIsHeldUpAlone(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.create("s", "1")
	arrived, release := make(chan struct{}), make(chan struct{})
	f.faultOnce("PutSecretValue", localaws.Fault{Before: func() { close(arrived); <-release }})
	held := make(chan error)
	go func() { held <- f.put(token("two"), "2") }()
	<-arrived
	if err := f.put(token("three"), "3"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	state, _ := f.Secret("s")
	if got := state.Labelled("AWSCURRENT").Value; got != "2" {
		t.Errorf("current is %q", got)
	}
}

func TestTheEnvironmentThatMadeACallIsKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   localaws.Fault
		written bool
	}{
		"before it is applied":    {localaws.Fault{KillBefore: true}, false},
		"after, before the reply": {localaws.Fault{KillAfter: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{RotationRetries: -1})
			arn := f.function(localaws.Function{Name: "rotate", Timeout: 20 * time.Second})
			f.create("s", "old")
			two := token("two")
			f.faultOnce("PutSecretValue", c.fault)
			f.rotate(arn, two)
			err := f.WaitRotation(f.ctx, "s", two)
			if err == nil || !strings.Contains(err.Error(), "Runtime exited with error: signal: killed") {
				t.Errorf("got %v", err)
			}
			state, _ := f.Secret("s")
			if got := state.Labelled("AWSPENDING").HasValue; got != c.written {
				t.Errorf("the pending value is there: %v", got)
			}

			// The service tries again, with the same token, in another process.
			wantError(t, f.rotate("", token("three")), "InvalidRequestException", "reattempted")
			if err := f.WaitRotation(f.ctx, "s", two); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClosingEndsARotationUnderWay(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.function(localaws.Function{Name: "rotate", Timeout: time.Minute})
	f.create("s", "old")
	arrived := make(chan struct{})
	forever := make(chan struct{})
	defer close(forever)
	f.faultOnce("PutSecretValue", localaws.Fault{Before: func() { close(arrived); <-forever }})
	f.rotate(arn, token("two"))
	<-arrived
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := f.WaitRotation(f.ctx, "s", ""); !errors.Is(err, localaws.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
