// Package rotation rotates a Mautic deployment's credentials by Secrets
// Manager's four-step protocol, so that no login of the running application
// fails meanwhile.
//
// The engine here knows versions, labels and the document. Package secret reads and writes
// them, package plan decides, and package ledger has the words of the labels. What a credential
// is, and who accepts it, is the business of a [credential.Kind]: see the other
// packages below this one. Wired together:
//
//	rotator := rotation.New(rotation.Config{SecretsManager: client, Kinds: []credential.Kind{databaseKind}, Services: services})
//	err := rotator.Rotate(ctx, event, log, &secrets)
//
// What is left to do after a promotion (see Reconcile) is noted in staging
// labels of the secret itself; there is no other state.
//
// Every step may run again at any time, after a crash at any point: it reads
// what is, compares that with what it wants, and acts on the difference alone.
package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/secret"
)

// A Rotator carries out rotations. It holds no state of any: the same one may
// rotate different secrets, at the same time.
type Rotator struct {
	api    secret.API
	kinds  []credential.Kind
	listed []string // ARNs
	// leaveCopies: copies of a credential in other fields are not updated.
	leaveCopies bool
	services    Services
	health      Health
	limits      Limits
	every       map[string]time.Duration
	whenDue     []string // ARNs
	metrics     Metrics
	pauses      Pauses
	clock       secret.Clock
	silent      bool // no target is asked anything: see Status
}

// Config is what a Rotator needs.
type Config struct {
	SecretsManager secret.API
	Kinds          []credential.Kind // they are set in this order

	// Secrets are the ARNs of all secrets that the function serves. The services read each of
	// them, and a value that one of them stores is not retired for another. Empty: only the
	// secret that a call names.
	Secrets []string

	Services Services // nil: nothing has to be restarted
	Health   Health   // nil: the application is not asked
	Limits   Limits   // zero: DefaultLimits

	// LeaveCopies: a copy of a credential in another field, in a DSN or a URL, is not updated
	// with it. It stops working once the old value is refused.
	LeaveCopies bool

	// Every is how often the schedule rotates each kind of a secret that has several; a missing
	// kind has its DefaultEvery.
	Every map[string]time.Duration
	// WhenDue are the ARNs of the secrets whose only kind, too, is rotated only when it is due,
	// and not by every scheduled rotation. Each secret's schedule then says when the function may
	// rotate, and Every how often.
	WhenDue []string

	Metrics Metrics      // nil: nothing is measured
	Pauses  Pauses       // zero: DefaultPauses
	Clock   secret.Clock // nil: the machine's
}

// Pauses are the times between two attempts. Each field that is zero has its
// value of DefaultPauses.
type Pauses struct {
	// Read is the pause after the first read that may lag behind a write. Up to five more reads
	// follow, with pauses that double.
	Read time.Duration
	// Health is the pause between two of the three health checks.
	Health time.Duration
	// Second is how long to wait after a reply of AWS's until the second that it stated is
	// certainly over.
	Second time.Duration
	// Generate is the pause before a kind is asked again for a new value after a fault that may
	// pass. One more attempt follows, after twice the time.
	Generate time.Duration
}

// DefaultPauses let a lagging read wait 3.1 s in all: Secrets Manager's reads are eventually
// consistent, without a documented bound.
var DefaultPauses = Pauses{Read: 100 * time.Millisecond, Health: 2 * time.Second, Second: time.Second, Generate: 2 * time.Second}

// DefaultEvery is how often the schedule rotates each kind of a secret that has several; the
// intervals are usual for Mautic.
var DefaultEvery = map[string]time.Duration{
	"database": 90 * 24 * time.Hour,
	"admin":    60 * 24 * time.Hour,
	"api":      90 * 24 * time.Hour,
	"webhook":  90 * 24 * time.Hour,
	"smtp":     180 * 24 * time.Hour,
}

// New returns a Rotator.
func New(c Config) *Rotator {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits
	}
	c.Pauses.Read = cmp.Or(c.Pauses.Read, DefaultPauses.Read)
	c.Pauses.Second = cmp.Or(c.Pauses.Second, DefaultPauses.Second)
	c.Pauses.Health = cmp.Or(c.Pauses.Health, DefaultPauses.Health)
	c.Pauses.Generate = cmp.Or(c.Pauses.Generate, DefaultPauses.Generate)
	if c.Clock == nil {
		c.Clock = secret.MachineClock{}
	}
	every := maps.Clone(DefaultEvery)
	maps.Copy(every, c.Every)
	return &Rotator{
		api: c.SecretsManager, kinds: c.Kinds, listed: c.Secrets, leaveCopies: c.LeaveCopies, services: c.Services, health: c.Health,
		limits: c.Limits, every: every, whenDue: c.WhenDue, metrics: c.Metrics, pauses: c.Pauses, clock: c.Clock,
	}
}

// timeToChange is how much of an invocation's time must be left before a target or a label is
// changed: a connection (5 s), MySQL's wait for a lock (5 s), the same again for the heal, and
// some AWS calls.
const timeToChange = 20 * time.Second

// Rotate carries out one step. It adds the secret values that it reads or makes to secrets, so
// that the caller can scrub what it writes; log should already be scrubbed with them.
//
// It is idempotent for the event's token. An error says what to do about it, and leaves
// AWSCURRENT's value accepted by its target.
func (r *Rotator) Rotate(ctx context.Context, event Event, log *slog.Logger, secrets *scrub.Secrets) error {
	if err := event.Validate(); err != nil {
		return err
	}
	secrets.Add(event.RotationToken)
	run := r.newRun(event, log, secrets)
	steps := map[Step]func(context.Context) error{
		CreateSecret: run.createSecret,
		SetSecret:    run.setSecret,
		TestSecret:   run.testSecret,
		FinishSecret: run.finishSecret,
	}
	if err := steps[event.Step](ctx); err != nil {
		return fmt.Errorf("%s: %w", event.Step, err)
	}
	return nil
}

// run is one invocation. It is not used again.
type run struct {
	*Rotator
	event   Event
	secrets *scrub.Secrets
	log     *slog.Logger
	read    *secret.Reader
	write   *secret.Writer
	aws     *secret.AWSClock
	moved   time.Time // when AWSCURRENT was moved, according to the event; zero: the event reports no move
	movedTo string    // the version that it was moved to; "": the event does not say
	gaveUp  bool      // this invocation has given up a rotation
	whole   bool      // look at everything, even if nothing is open
	checks  string    // what the log calls the checks; "": preflight
	found   *findings
	labels  secret.Labels // that the ledger was read from last
	book    ledger.Book   // what it told; nobody changes it
}

func (r *Rotator) newRun(event Event, log *slog.Logger, secrets *scrub.Secrets) *run {
	run := &run{Rotator: r, event: event, secrets: secrets, log: log, found: newFindings()}
	run.read, run.write, run.aws = secret.Open(secret.Config{
		API: r.api, ARN: event.SecretID, Clock: r.clock, ReadPause: r.pauses.Read, Second: r.pauses.Second, Learn: run.learn,
	})
	return run
}

// learn registers the document's credentials with the scrubber.
func (r *run) learn(d document.Document) {
	for _, kind := range r.kinds {
		fields, _ := kind.Fields(d) // whoever uses them reports what is wrong
		for _, field := range fields {
			if value, err := d.Text(field); err == nil {
				r.secrets.Add(value)
			}
		}
	}
}

// enoughTime fails if the invocation would probably end in the middle of a change. Nothing would
// be lost, but a retry is cheaper if it does not have to find out how far the last attempt came.
func enoughTime(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	if left := time.Until(deadline); left < timeToChange {
		return tooLittleTime{fmt.Errorf("only %s of the invocation's time are left, too little to begin a change (it may take %s): nothing was changed; raise the function's timeout",
			left.Round(100*time.Millisecond), timeToChange)}
	}
	return nil
}

// ErrTooLittleTime says that something was not begun because it takes longer than the context's
// deadline allows.
var ErrTooLittleTime = errors.New("too little time")

// tooLittleTime is an ErrTooLittleTime with a text of its own.
type tooLittleTime struct{ error }

func (tooLittleTime) Is(target error) bool { return target == ErrTooLittleTime }
