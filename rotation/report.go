package rotation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
)

// What a rotation reports besides its log: metrics for alarms, an audit line for each change, and
// a notice for people at its end. None of them contains a value of the secret.

// A Metric is one measurement.
type Metric struct {
	Name  string
	Unit  string // a CloudWatch unit
	Value float64
	Kind  string // the credential kind; "" for the secret as a whole
}

// Metrics receives measurements for the secret with the ARN; several at once are of the same
// kind. It must not fail or block: a rotation can do without a measurement.
type Metrics interface {
	Put(secretARN string, metrics ...Metric)
}

// CloudWatch's units used here.
const (
	seconds = "Seconds"
	count   = "Count"
)

// Gauges are measured repeatedly, so that an alarm on one has data, and ends.
const (
	// metricAge is how long ago the kind's current value was stored.
	metricAge = "CredentialAge"
	// metricHeld counts the values that are held.
	metricHeld = "HeldOverlaps"
	// metricOpen is the age of the oldest open overlap, in seconds; 0: none is open.
	metricOpen = "OpenOverlapTime"
	// metricAttention counts the alarms: conditions that need an operator, including held values.
	metricAttention = "AttentionNeeded"
)

// Events, counted when they happen.
const (
	metricRolledBack = "Rollbacks"
	metricHeldOff    = "HeldOff"
	// metricLeftOut counts the kinds that a rotation left out.
	metricLeftOut = "KindsLeftOut"
	// metricOverlap is how long an old value was accepted beside the new one.
	metricOverlap = "OverlapTime"
	// metricRefused is how long, in an emergency, the application's tasks may have been refused.
	metricRefused = "RefusedTime"
)

func (r *run) measure(metrics ...Metric) {
	if r.metrics != nil {
		r.metrics.Put(r.event.SecretID, metrics...)
	}
}

// audit is the key under which a log line says what was changed. With the line's requestId, time
// and versions it says who, what and when.
const audit = "audit"

// What is changed, as the log says it.
const (
	didStore      = "stored"
	didSet        = "set"
	didPromote    = "promoted"
	didRedeploy   = "redeployed"
	didQuarantine = "quarantined"
	didRestore    = "restored"
	didRetire     = "retired"
	didHold       = "held"
	didRollBack   = "rolled-back"
	didAbandon    = "abandoned"
	didRelease    = "released"
	didRevoke     = "revoked"
	didSweep      = "swept"
	didFence      = "fenced"
	didLeaveOut   = "left-out"
)

// notice logs the line at the end of a rotation, for people.
func (r *run) notice(end, text string, args ...any) {
	r.log.Info(fmt.Sprintf("%s: ", SecretName(r.event.SecretID))+fmt.Sprintf(text, args...), "notice", end)
}

// since is how many seconds have passed. AWS reports whole seconds only, so a moment just past
// may seem to be in the future.
func since(now, then time.Time) float64 { return max(0, now.Sub(then).Seconds()) }

// SecretName is the name in a secret's ARN, without the hyphen and six characters that Secrets
// Manager appends.
func SecretName(arn string) string {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	if end := strings.LastIndexByte(name, '-'); end > 0 && len(name)-end == 7 {
		return name[:end]
	}
	return name
}

// gauge measures what the ledger has open, and how much of it needs an operator.
func (r *run) gauge(s *sight, actions []plan.Action) {
	held, attention, open := 0, 0, time.Duration(0)
	for _, a := range actions {
		if a.Do == plan.Alarm {
			attention++
		}
	}
	for _, page := range s.book.Pages {
		for name, e := range page.Entries {
			if e.State == ledger.Held {
				held++
			}
			if page.Version != s.current && e.State.Live() && e.State != ledger.Foreign && !e.At.IsZero() {
				open = max(open, s.m.At.Sub(r.acceptedSince(s, name, page.Version)))
			}
		}
	}
	r.measure(
		Metric{Name: metricHeld, Unit: count, Value: float64(held)},
		Metric{Name: metricOpen, Unit: seconds, Value: open.Seconds()},
		Metric{Name: metricAttention, Unit: count, Value: float64(attention)},
	)
}

// MeasureAge measures the age of each of the secret's credentials: by the secret's own record or,
// if it has none, by the date of its version. Both are right after a rollback too. It reads the
// secret, so call it only now and then.
func (r *Rotator) MeasureAge(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) error {
	run := r.newRun(Event{SecretID: secretARN}, log, secrets)
	current, err := run.read.Current(ctx, "")
	if err != nil {
		return fmt.Errorf("measure the credentials' age: %w", err)
	}
	kinds, err := r.present(current.Doc)
	if err != nil {
		return fmt.Errorf("measure the credentials' age: %w", err)
	}
	for _, name := range names(kinds) {
		stored, _ := ageOf(current, name)
		run.measure(Metric{Name: metricAge, Unit: seconds, Value: since(run.aws.Told(), stored), Kind: name})
	}
	return nil
}

// inWords lists kinds for people.
func inWords(kinds []string) string {
	if len(kinds) == 0 {
		return "nothing"
	}
	sorted := slices.Sorted(slices.Values(kinds))
	if len(sorted) == 1 {
		return sorted[0]
	}
	return strings.Join(sorted[:len(sorted)-1], ", ") + " and " + sorted[len(sorted)-1]
}
