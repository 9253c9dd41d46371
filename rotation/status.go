package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
	"mautic-rotation/rotation/secret"
)

// Status reports the state of the secret, and what a reconcile would do now. It reads the secret,
// the function's other secrets, ECS and the application's health. It changes nothing and logs in
// nowhere, so it does not report what only a target could answer. What it cannot read is in the
// answer's Error.
func (r *Rotator) Status(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) report.Secret {
	run := r.toLook(silent, secretARN, log, secrets)
	s, actions, err := run.status(ctx)
	found := run.answer(s, actions)
	if err != nil {
		found.Error = err.Error()
	}
	return found
}

// What a read-only Rotator may ask of the targets.
const (
	asking = false // whether they accept a value
	silent = true  // nothing
)

// toLook is newRun for an action that changes nothing: every write fails before it is made.
func (r *Rotator) toLook(silent bool, secretARN string, log *slog.Logger, secrets *scrub.Secrets) *run {
	looks := *r
	looks.api, looks.silent, looks.metrics = lookingAPI{r.api}, silent, nil
	if r.services != nil {
		looks.services = lookingServices{r.services}
	}
	run := looks.newRun(Event{SecretID: secretARN}, log, secrets)
	run.whole = true
	return run
}

// errLooks is the error of a write in an action that changes nothing.
var errLooks = errors.New("this action changes nothing")

// lookingAPI is a read-only Secrets Manager.
type lookingAPI struct{ secret.API }

func (lookingAPI) PutSecretValue(context.Context, *sm.PutSecretValueInput, ...func(*sm.Options)) (*sm.PutSecretValueOutput, error) {
	return nil, errLooks
}

func (lookingAPI) UpdateSecretVersionStage(context.Context, *sm.UpdateSecretVersionStageInput, ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error) {
	return nil, errLooks
}

// lookingServices are read-only services.
type lookingServices struct{ Services }

func (lookingServices) RedeployService(context.Context, string, *slog.Logger) error { return errLooks }

// status is what Status answers with. s is what could be read in spite of an error.
func (r *run) status(ctx context.Context) (s *sight, actions []plan.Action, err error) {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return nil, nil, err
	}
	var faults []error
	denied := false
	for _, id := range slices.Sorted(maps.Keys(m.Labels)) {
		_, err := r.read.Read(ctx, id, "")
		if id == m.Labels.Version(secret.Pending) && secret.IsMissing(err) {
			continue // it may have no value yet
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("read version %s: %w", id, err))
		}
		if denied = secret.IsDenied(err); denied {
			break // so are the others
		}
	}
	s, err = r.sightOf(ctx, m)
	if denied {
		err = nil // which is that it cannot read them either
	} else if err == nil {
		err = r.lookAround(ctx, s.rollout())
		for range maxRounds { // of which two are needed
			again, fault := r.sightOf(ctx, m)
			if fault != nil {
				err = errors.Join(err, fault)
				break
			}
			s = again
			takeForGranted(s.plan.Kinds)
			// To note that a value is accepted takes the target's answer.
			actions = slices.DeleteFunc(plan.Decide(s.plan), func(a plan.Action) bool { return a.Do == plan.Prove })
			back, _ := plan.AskedToRollBack(s.plan) // only the last of several promotions can be
			if !slices.ContainsFunc(slices.Concat(actions, back), func(a plan.Action) bool { return a.Do == plan.LookElsewhere }) {
				break
			}
			r.lookElsewhere(ctx)
		}
	}
	return s, actions, errors.Join(append(faults, err)...)
}

// takeForGranted treats AWSCURRENT's values as accepted if the ledger calls them proven. A
// reconcile asks their targets first, which Status must not do: it reports what comes after that.
// Verify reports whether they are accepted now.
func takeForGranted(kinds []plan.Kind) {
	for i := range kinds {
		if w := &kinds[i].Wanted; w.Entry.State == ledger.Proven && w.Probe == plan.NotAsked {
			w.Probe = plan.Accepted
		}
	}
}

// sightOf is what the next tick's reconcile will see. What could be read of the secret itself is
// there even with an error.
func (r *run) sightOf(ctx context.Context, m secret.Metadata) (*sight, error) {
	s, err := r.lookAt(ctx, m, true)
	switch {
	case s == nil:
		book, _ := ledger.Read(m.Labels) // err says what is wrong with it
		s = &sight{m: m, book: book, current: m.Labels.Version(secret.Current), pending: m.Labels.Version(secret.Pending)}
		if s.pending == s.current {
			s.pending = ""
		}
	case s.current == "":
		err = errors.New("the secret has no AWSCURRENT version: store a value in it first")
	}
	return s, err
}
