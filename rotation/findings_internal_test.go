package rotation

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

func TestATargetThatMayHaveAnotherValueIsAskedAnew(t *testing.T) {
	t.Parallel()
	f := newFindings()
	f.probes = map[place]plan.Probe{
		{"database", "1"}: plan.Accepted, {"database", "2"}: plan.Denied, {"api", "1"}: plan.Accepted,
	}
	f.changed("database")
	if want := map[place]plan.Probe{{"api", "1"}: plan.Accepted}; !maps.Equal(f.probes, want) {
		t.Errorf("what is known of the targets is %v, want %v", f.probes, want)
	}
}

// labelled is a secret of which only the labels are known.
type labelled struct {
	secret.API
	labels secret.Labels
}

func (l *labelled) DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error) {
	return &sm.DescribeSecretOutput{VersionIdsToStages: l.labels}, nil
}

// Another invocation that promotes or stores a version may have changed what a target accepts. One
// that only writes the ledger has not: what is said about a value is decided under its lock.
func TestWhatTargetsHaveAnsweredCountsUntilAVersionComesOrMoves(t *testing.T) {
	t.Parallel()
	const noted = "rotation;2;6b86b273;database=proven.1@20261122T210405Z"
	for name, tc := range map[string]struct {
		then  secret.Labels
		stays bool
	}{
		"nothing has changed":          {secret.Labels{"1": {secret.Current}, "2": {secret.Previous}}, true},
		"the ledger has changed":       {secret.Labels{"1": {secret.Current, noted}, "2": {secret.Previous}}, true},
		"AWSCURRENT has moved":         {secret.Labels{"1": {secret.Previous}, "2": {secret.Current}}, false},
		"a version was stored":         {secret.Labels{"1": {secret.Current}, "2": {secret.Previous}, "3": {secret.Pending}}, false},
		"a version has lost its label": {secret.Labels{"1": {secret.Current}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := &labelled{labels: secret.Labels{"1": {secret.Current}, "2": {secret.Previous}}}
			r := New(Config{SecretsManager: api}).toLook(asking, "arn:a", slog.New(slog.NewTextHandler(io.Discard, nil)), &scrub.Secrets{})
			r.whole = false // the labels are enough
			if _, err := r.look(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			r.found.probes[place{"database", "1"}] = plan.Accepted
			api.labels = tc.then
			if _, err := r.look(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if _, known := r.found.probes[place{"database", "1"}]; known != tc.stays {
				t.Errorf("the answer still counts: %v, want %v", known, tc.stays)
			}
		})
	}
}
