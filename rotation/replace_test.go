package rotation_test

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws/host"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
)

// An entry of the journal is replaced by two calls: the new label is written, and
// the old one removed. Here a reconcile runs between the two, for everything that
// replaces an entry. Whatever it finds and does, no value may be forgotten.

// beside is what reconciles have met that ran beside a replacement.
type beside struct {
	e        *engine
	running  bool
	replaced []string // "held>old"
	lost     string   // the first value that was accepted and in no labelled version
}

// reconcileBeside has a reconcile run before each call that removes a label of
// the journal's, until the returned func is called.
func (e *engine) reconcileBeside() (b *beside, end func()) {
	b = &beside{e: e}
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		removes := c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "VersionStage=rotation;") && !strings.Contains(c.Detail, "MoveToVersionId=")
		if b.running || !removes {
			return fault
		}
		return wire.Fault{Before: func() {
			b.running = true
			defer func() { b.running = false }()
			b.look(c.Detail)
			if err := e.Reconcile(e.t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
				e.t.Errorf("the reconcile beside: %v", err)
			}
			b.checkNothingIsForgotten()
		}}
	})
	return b, func() { e.aws.Intercept(nil) }
}

var phaseOfLabel = regexp.MustCompile(`rotation;([a-z-]+)`)

// look notes which entry stands beside the one that is being removed.
func (b *beside) look(detail string) {
	removed := phaseOfLabel.FindStringSubmatch(detail)[1]
	state, err := b.e.aws.SecretsManager.State(b.e.arn)
	if err != nil {
		b.e.t.Error(err)
		return
	}
	for _, v := range state.Versions {
		if !strings.Contains(detail, "RemoveFromVersionId="+v.ID) {
			continue
		}
		for _, label := range v.Labels {
			if strings.HasPrefix(label, "rotation;") && !strings.Contains(detail, label) {
				b.replaced = append(b.replaced, removed+">"+phaseOfLabel.FindStringSubmatch(label)[1])
			}
		}
	}
}

func (b *beside) checkNothingIsForgotten() {
	state, err := b.e.aws.SecretsManager.State(b.e.arn)
	if err != nil {
		b.e.t.Error(err)
		return
	}
	for _, k := range []*target{&b.e.database.target, &b.e.api.target} {
		for _, value := range strings.Fields(k.accepts()) {
			stored := slices.ContainsFunc(state.Versions, func(v localsecretsmanager.VersionState) bool {
				return len(v.Labels) > 0 && strings.Contains(v.Value, `"`+value+`"`)
			})
			if !stored && b.lost == "" {
				b.lost = value
			}
		}
	}
}

func TestAReconcileBesideTheReplacementOfAnEntryForgetsNoValue(t *testing.T) {
	release := func(e *engine) {
		if err := e.Release(e.t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
			e.t.Error(err)
		}
	}
	always := func(credential.Overlap) (string, error) { return "a login", nil }
	for name, tc := range map[string]struct {
		before func(*engine)
		do     func(*engine)
		wants  []string // replacements that a reconcile must have met, where it is kept out by no lock
	}{
		"the redeploy is noted": {
			do:    func(e *engine) { e.mustRotate() },
			wants: []string{"old>old"},
		},
		"one of two kinds is taken out of service and retired": {
			before: (*engine).mustRotate,
			do:     (*engine).reconcile,
			wants:  []string{"old>quarantined", "quarantined>old"},
		},
		"the old value is in use before the quarantine": {
			before: func(e *engine) { e.mustRotate(); e.database.use = always },
			do:     (*engine).reconcile,
			wants:  []string{"old>held"},
		},
		"the old value is in use after the quarantine": {
			before: func(e *engine) {
				e.mustRotate()
				e.database.use = func(o credential.Overlap) (string, error) {
					if o.Quarantined {
						return "a refused login", nil
					}
					return "", nil
				}
			},
			do:    (*engine).reconcile,
			wants: []string{"old>quarantined", "quarantined>held"},
		},
		"what is held is released": {
			before: func(e *engine) {
				e.mustRotate()
				e.database.use = always
				e.reconcile()
				e.database.use = nil
			},
			do:    release,
			wants: []string{"held>old"},
		},
		"a rollback, to its end": {
			before: func(e *engine) { e.mustRotate(); e.services.failing = true },
			do: func(e *engine) {
				e.reconcile()
				e.services.failing = false
				e.reconcile()
			},
			wants: []string{"rolled-back>rolled-back", "rolled-back>failed"},
		},
		"a version is made current again by hand": {
			before: func(e *engine) {
				e.mustRotate()
				e.moveCurrent(e.version("AWSPREVIOUS").ID, e.version("AWSCURRENT").ID)
			},
			do:    func(e *engine) { e.reconcile(); e.reconcile() },
			wants: []string{"rolled-back>failed"},
		},
		"an emergency": {
			do: func(e *engine) {
				if err := e.rotate("emergency." + uuid); err != nil {
					e.t.Error(err)
				}
			},
			wants: []string{"old>old"},
		},
		"an emergency while an overlap is held": {
			before: func(e *engine) {
				e.mustRotate()
				e.database.use = always
				e.reconcile()
			},
			do: func(e *engine) {
				if err := e.rotate("emergency." + uuid); err != nil {
					e.t.Error(err)
				}
			},
			wants: []string{"held>held", "old>old"},
		},
		"a scheduled rotation that changes nothing": {
			before: func(e *engine) {
				e.mustRotate()
				e.schedule()
			},
			do:    (*engine).nextScheduled,
			wants: []string{"old>old"},
		},
	} {
		for _, locks := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", with locks", false: ", without locks"}[locks], func(t *testing.T) {
				e := newEngine(t)
				e.database.locks, e.api.locks = locks, locks
				if tc.before != nil {
					tc.before(e)
				}
				b, end := e.reconcileBeside()
				tc.do(e)
				end()
				b.checkNothingIsForgotten()
				if b.lost != "" {
					t.Fatalf("%s is accepted, and no labelled version stores it; replaced were %v", b.lost, b.replaced)
				}
				for _, want := range tc.wants {
					if !slices.Contains(b.replaced, want) {
						t.Errorf("no reconcile ran beside the replacement %s, only beside %v", want, b.replaced)
					}
				}
				e.endsWell()
			})
		}
	}
}

// schedule turns the schedule on, without a rotation at once.
func (e *engine) schedule() {
	e.t.Helper()
	in := &sm.RotateSecretInput{SecretId: &e.arn, RotationLambdaARN: &e.fn, RotateImmediately: aws.Bool(false), RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(3)}}
	if _, err := e.secrets.RotateSecret(e.t.Context(), in); err != nil {
		e.t.Fatal(err)
	}
	if err := e.aws.SecretsManager.WaitRotation(e.t.Context(), e.arn, ""); err != nil {
		e.t.Fatal(err)
	}
}

// nextScheduled lets the schedule rotate, and waits for the end.
func (e *engine) nextScheduled() {
	e.t.Helper()
	ended, seen := 0, 0
	succeeded := func(event host.Event) bool {
		r, ok := event.(localsecretsmanager.RotationEvent)
		return ok && r.Name == localsecretsmanager.RotationSucceeded
	}
	for _, event := range e.aws.Events() {
		if succeeded(event) {
			ended++
		}
	}
	e.aws.Clock().Advance(3 * day)
	_, err := e.aws.WaitEvent(e.t.Context(), func(event host.Event) bool {
		if succeeded(event) {
			seen++
		}
		return seen > ended
	})
	if err != nil {
		e.t.Fatal(err)
	}
	if !strings.Contains(e.log.String(), "nothing was rotated: the log of createSecret says why") {
		e.t.Error("something was rotated")
	}
	// No other one may begin while the rest is looked at.
	if _, err := e.secrets.CancelRotateSecret(e.t.Context(), &sm.CancelRotateSecretInput{SecretId: &e.arn}); err != nil {
		e.t.Fatal(err)
	}
}

// endsWell lets everything that is open come to its end: each target accepts
// what AWSCURRENT stores, and nothing else, and the journal is empty.
func (e *engine) endsWell() {
	e.t.Helper()
	e.database.use = nil
	for range 3 {
		if err := e.Release(e.t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
			e.t.Error(err)
		}
		e.aws.Clock().Advance(8 * day)
		e.reconcile()
		e.reconcile()
	}
	for _, k := range []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook} {
		if k.accepts() != e.current(k) {
			e.t.Errorf("accepted at the end are %s, and AWSCURRENT stores %s", k.accepts(), e.current(k))
		}
	}
	if journal := e.journal(); len(journal) > 0 {
		e.t.Errorf("left in the journal: %s", journal)
	}
}
