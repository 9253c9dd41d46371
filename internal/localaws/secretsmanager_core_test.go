package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// world is a Core with a record of all that it answers and tells.
type world struct {
	*secretsmanager.Core
	*localtest.World
	record strings.Builder
}

func newWorld(seed byte, o secretsmanager.Options) *world {
	w := &world{World: localtest.NewWorld()}
	env := w.Env(seed)
	env.Emit = func(e host.Event) { fmt.Fprintf(&w.record, "event %T%+v\n", e, e) }
	w.Core = secretsmanager.NewCore(env, o, secretsmanager.Hooks{
		Begun:     func(r *secretsmanager.Rotation) { fmt.Fprintln(&w.record, "begun", r.Token, r.RotationToken) },
		Scheduled: func(secret string, start time.Time) { fmt.Fprintln(&w.record, "scheduled", secret, start) },
	})
	return w
}

// note records an answer as it would be encoded, or an error.
func note[Out any](w *world, out Out, err error) Out {
	if err != nil {
		fmt.Fprintln(&w.record, "error", err)
		return out
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(&w.record, "%T %s\n", out, text)
	return out
}

func ptr[T any](v T) *T { return &v }

// history makes every kind of call, some of which are refused.
func (w *world) history(ctx context.Context) {
	const function = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
	out, err := w.CreateSecret(ctx, secretsmanager.CreateSecretInput{
		Name: "s", ClientRequestToken: localtest.Token("one"), SecretString: ptr(`{"a":1}`), Tags: []secretsmanager.Tag{{Key: "z", Value: "1"}, {Key: "a", Value: "2"}, {Key: "m", Value: "3"}},
	})
	first := note(w, out, err).VersionID
	for i := range 3 {
		w.Now = w.Now.Add(time.Hour)
		put, err := w.PutSecretValue(ctx, secretsmanager.PutSecretValueInput{
			SecretID: "s", ClientRequestToken: localtest.Token(fmt.Sprint("put", i)), SecretString: ptr(fmt.Sprint(i)),
			VersionStages: []string{"AWSCURRENT", "custom-a", "custom-b"},
		})
		note(w, put, err)
	}
	rotate, err := w.RotateSecret(ctx, secretsmanager.RotateSecretInput{
		SecretID: "s", ClientRequestToken: localtest.Token("rotation"), RotationLambdaARN: function,
		RotationRules: &secretsmanager.RotationRules{ScheduleExpression: "rate(10 days)"},
	})
	token := note(w, rotate, err).VersionID
	_, err = w.GetSecretValue(ctx, secretsmanager.GetSecretValueInput{SecretID: "s", VersionID: token, VersionStage: "AWSPENDING"})
	note(w, "", err)
	pending, err := w.PutSecretValue(ctx, secretsmanager.PutSecretValueInput{
		SecretID: "s", ClientRequestToken: token, SecretString: ptr("new"), VersionStages: []string{"AWSPENDING"},
	})
	note(w, pending, err)
	for _, from := range []string{first, ""} { // refused: the label is elsewhere
		move, err := w.UpdateSecretVersionStage(ctx, secretsmanager.UpdateSecretVersionStageInput{
			SecretID: "s", VersionStage: "AWSCURRENT", MoveToVersionID: token, RemoveFromVersionID: from,
		})
		note(w, move, err)
	}
	state, _ := w.State("s")
	move, err := w.UpdateSecretVersionStage(ctx, secretsmanager.UpdateSecretVersionStageInput{
		SecretID: "s", VersionStage: "AWSCURRENT", MoveToVersionID: token, RemoveFromVersionID: state.Labelled("AWSCURRENT").ID,
	})
	note(w, move, err)
	if r := w.Rotation("s"); r != nil {
		w.Conclude(r, w.Verify(r))
	}
	for range 3 { // stale at first
		describe, err := w.DescribeSecret(ctx, secretsmanager.SecretIDInput{SecretID: "s"})
		note(w, describe, err)
	}
	versions, err := w.ListSecretVersionIDs(ctx, secretsmanager.ListSecretVersionIDsInput{SecretID: "s", IncludeDeprecated: true})
	note(w, versions, err)
	w.Now = w.Now.AddDate(0, 0, 11)
	w.RotateOnSchedule(state.ARN)
	password, err := w.GetRandomPassword(ctx, secretsmanager.GetRandomPasswordInput{})
	note(w, password, err)
	list, err := w.ListSecrets(ctx, secretsmanager.ListSecretsInput{})
	note(w, list, err)
}

func TestACoreAnswersTheSameForTheSameCallsClockAndRandomBytes(t *testing.T) {
	t.Parallel()
	run := func(seed byte) string {
		w := newWorld(seed, secretsmanager.Options{Variants: secretsmanager.Variants{
			RotationTokenSent: true, StaleReads: secretsmanager.StaleReads{Reads: 2},
		}})
		w.history(t.Context())
		return w.record.String()
	}
	first := run(1)
	for range 20 { // the order of a map's keys would differ in one of them
		if again := run(1); again != first {
			t.Fatalf("two runs differ:\n%s\n\n%s", first, again)
		}
	}
	if run(2) == first {
		t.Error("another seed makes no difference: nothing random was looked at")
	}
	for _, want := range []string{
		"RotationSucceeded", "RemoveFromVersionId can't be empty", "for VersionId", "secretsmanager.LabelUpdated", "RandomPassword", `"custom-a"`,
		`"Tags":[{"Key":"a","Value":"2"},{"Key":"m","Value":"3"},{"Key":"z","Value":"1"}]`,
	} {
		if !strings.Contains(first, want) {
			t.Errorf("the history lacks %q:\n%s", want, first)
		}
	}
}

// A rotation is taken through its steps by hand: nothing runs in the background, and each read shows what was written.
func TestARotationIsSteppedByHandWithoutAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(1, secretsmanager.Options{})
	ctx := t.Context()
	created, err := w.CreateSecret(ctx, secretsmanager.CreateSecretInput{
		Name: "s", ClientRequestToken: localtest.Token("one"), SecretString: ptr("old"),
	})
	if err != nil {
		t.Fatal(err)
	}
	two := localtest.Token("two")
	if _, err := w.RotateSecret(ctx, secretsmanager.RotateSecretInput{SecretID: "s", ClientRequestToken: two, RotationLambdaARN: "f"}); err != nil {
		t.Fatal(err)
	}
	r := w.Rotation("s")
	if r == nil || r.Token != two || strings.Join(r.Steps(), " ") != "createSecret setSecret testSecret finishSecret" {
		t.Fatalf("under way: %+v", r)
	}
	if err := w.Verify(r); err == nil || !strings.Contains(err.Error(), "AWSCURRENT is not on version") {
		t.Errorf("before the promotion: %v", err)
	}
	if _, err := w.PutSecretValue(ctx, secretsmanager.PutSecretValueInput{
		SecretID: "s", ClientRequestToken: two, SecretString: ptr("new"), VersionStages: []string{"AWSPENDING"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateSecretVersionStage(ctx, secretsmanager.UpdateSecretVersionStageInput{
		SecretID: "s", VersionStage: "AWSCURRENT", MoveToVersionID: two, RemoveFromVersionID: created.VersionID,
	}); err != nil {
		t.Fatal(err)
	}
	w.Conclude(r, w.Verify(r))
	state, err := w.State("s")
	if err != nil || state.Labelled("AWSCURRENT").Value != "new" || state.Labelled("AWSPENDING").ID != "" || w.Rotation("s") != nil {
		t.Errorf("%+v, %v", state, err)
	}
	_, err = w.GetSecretValue(ctx, secretsmanager.GetSecretValueInput{SecretID: "s", VersionStage: "AWSPENDING"})
	if refused, ok := errors.AsType[*wire.Error](err); !ok || refused.Code != "ResourceNotFoundException" {
		t.Errorf("got %v", err)
	}
}

func TestAValueByHandStopsARotationThatIsSteppedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(1, secretsmanager.Options{})
	ctx := t.Context()
	if _, err := w.CreateSecret(ctx, secretsmanager.CreateSecretInput{
		Name: "s", ClientRequestToken: localtest.Token("one"), SecretString: ptr("old"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RotateSecret(ctx, secretsmanager.RotateSecretInput{
		SecretID: "s", ClientRequestToken: localtest.Token("two"), RotationLambdaARN: "f",
	}); err != nil {
		t.Fatal(err)
	}
	r := w.Rotation("s")
	if err := r.Stopped(); err != nil {
		t.Errorf("stopped from the start: %v", err)
	}
	if _, err := w.PutSecretValue(ctx, secretsmanager.PutSecretValueInput{
		SecretID: "s", ClientRequestToken: localtest.Token("hand"), SecretString: ptr("by hand"),
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.Stopped(); !errors.Is(err, secretsmanager.ErrRotationAbandoned) {
		t.Errorf("got %v", err)
	}
	w.Conclude(r, r.Stopped())
	if !strings.Contains(w.record.String(), "Name:RotationAbandoned") {
		t.Error(w.record.String())
	}
}
