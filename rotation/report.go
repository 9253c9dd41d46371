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

// What a rotation tells about itself, besides its log: measurements for alarms,
// an audit line for each change, and a notice for people at its end. None of
// them holds a value of the secret.

// A Metric is one measurement.
type Metric struct {
	Name  string
	Unit  string // one of CloudWatch's
	Value float64
	Kind  string // the credential kind it is of; "" for the secret as a whole
}

// Metrics takes measurements, of the secret with the ARN: several at once are of
// the same kind. It must not fail, and not block: a measurement that is lost is
// nothing to a rotation.
type Metrics interface {
	Put(secretARN string, metrics ...Metric)
}

// CloudWatch's units of what is measured here.
const (
	seconds = "Seconds"
	count   = "Count"
)

// Gauges, taken over and over, so that an alarm on one has data, and ends.
const (
	// metricAge is how long ago the kind's current value was stored.
	metricAge = "CredentialAge"
	// metricHeld counts the values that are held.
	metricHeld = "HeldOverlaps"
	// metricOpen is for how long the oldest overlap has been open; 0: none is.
	metricOpen = "OpenOverlapTime"
	// metricAttention counts the alarms: conditions that need an operator, the held
	// values included.
	metricAttention = "AttentionNeeded"
)

// Events, counted when they happen.
const (
	metricRolledBack = "Rollbacks"
	metricHeldOff    = "HeldOff"
	// metricLeftOut counts the kinds that a rotation went on without.
	metricLeftOut = "KindsLeftOut"
	// metricOverlap is how long an old value was accepted beside the new one.
	metricOverlap = "OverlapTime"
	// metricRefused is for how long, in an emergency, tasks of the application
	// may have been refused.
	metricRefused = "RefusedTime"
)

func (r *run) measure(metrics ...Metric) {
	if r.metrics != nil {
		r.metrics.Put(r.event.SecretID, metrics...)
	}
}

// audit is the key under which a log line says that something was changed, and
// what. With the line's requestId, time and versions that is who, what and when.
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

// notice is the line at the end of a rotation, for people.
func (r *run) notice(end, text string, args ...any) {
	r.log.Info(fmt.Sprintf("%s: ", SecretName(r.event.SecretID))+fmt.Sprintf(text, args...), "notice", end)
}

// since is how many seconds have passed. AWS tells its time to the second alone,
// so a moment that has just been may seem to come.
func since(now, then time.Time) float64 { return max(0, now.Sub(then).Seconds()) }

// SecretName is the name in a secret's ARN, which ends in a hyphen and six
// characters of Secrets Manager's.
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

// MeasureAge measures how old each of the secret's credentials is: by what the
// secret itself says of it, else by the date of its version. Both are right after
// a rollback too. It reads the secret, and so is for now and then.
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

// inWords lists kinds for a person.
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
