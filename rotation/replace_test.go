package rotation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws/host"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ledger"
)

// A label of the ledger is replaced by two calls: the new one is written, and the
// old one removed. Here a reconcile runs between the two, for everything that
// replaces a label. Whatever it finds and does, no value may be forgotten.

// beside is what is seen of replacements, with a reconcile beside one of them.
type beside struct {
	e        *engine
	at       string // the replacement beside which a reconcile runs; "": none does
	ran      bool
	running  bool
	replaced []string // "database=held>released"
	failed   []string // what the reconcile could not do
	lost     string   // the first value that was accepted and in no labelled version
}

// reconcileBeside has a reconcile run before the first call that removes a label as
// part of such a replacement, until the returned func is called.
func (e *engine) reconcileBeside(replacement string) (b *beside, end func()) {
	b = &beside{e: e, at: replacement}
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		removes := c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "VersionStage="+ledger.Prefix) && !strings.Contains(c.Detail, "MoveToVersionId=")
		if b.running || !removes {
			return fault
		}
		return wire.Fault{Before: func() {
			if b.look(c.Detail) != b.at || b.ran {
				return
			}
			b.ran, b.running = true, true
			defer func() { b.running = false }()
			if err := e.reconcileWith(e.t.Context()); err != nil {
				b.failed = append(b.failed, err.Error())
			}
			b.checkNothingIsForgotten()
		}}
	})
	return b, func() { e.aws.Intercept(nil) }
}

// look notes what the label tells that replaces the one which is being removed:
// of each kind, and of the rollout, where the two differ. It is "" where no label
// replaces it.
func (b *beside) look(detail string) (replacement string) {
	state, err := b.e.aws.SecretsManager.State(b.e.arn)
	if err != nil {
		b.e.t.Error(err)
		return ""
	}
	for _, v := range state.Versions {
		var removed, kept []string
		for _, label := range v.Labels {
			switch {
			case strings.Contains(detail, "VersionStage="+label):
				removed = append(removed, label)
			case strings.HasPrefix(label, ledger.Prefix):
				kept = append(kept, label)
			}
		}
		if len(removed) > 0 && len(kept) > 0 {
			replacement = difference(b.page(v.ID, removed), b.page(v.ID, kept))
			b.replaced = append(b.replaced, replacement)
		}
	}
	return replacement
}

// difference is what a label tells and the one that it replaces does not:
// "api=old>held database=proven>".
func difference(was, is ledger.Page) string {
	var words []string
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(append(was.Kinds(), is.Kinds()...)))) {
		if before, now := was.Entries[kind], is.Entries[kind]; before != now {
			words = append(words, fmt.Sprintf("%s=%s>%s", kind, before.State, now.State))
		}
	}
	if was.Rollout != is.Rollout {
		words = append(words, "rollout="+inOneWord(was.Rollout)+">"+inOneWord(is.Rollout))
	}
	return strings.Join(words, " ")
}

func inOneWord(r ledger.Rollout) string {
	switch {
	case r.Open():
		return "open"
	case r.Since.IsZero():
		return ""
	}
	return "converged"
}

// page is what the labels of a version say, without its others.
func (b *beside) page(version string, labels []string) ledger.Page {
	book, err := ledger.Read(map[string][]string{version: labels})
	if err != nil {
		b.e.t.Error(err)
	}
	return book.Page(version)
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
	t.Parallel()
	always := func(credential.Overlap) (string, error) { return "a login", nil }
	held := func(e *engine) {
		e.mustRotate()
		e.database.use = always
		e.reconcile()
		e.isHeld()
		e.database.use = nil
	}
	for name, tc := range map[string]struct {
		before func(*engine)
		do     func(*engine)
		wants  []string // of a kind, what is replaced meanwhile
	}{
		"a rotation": {
			do:    (*engine).mustRotate,
			wants: []string{"database=pending>proven", "api=proven>old"},
		},
		"one of two kinds is taken out of service and retired": {
			before: (*engine).mustRotate,
			do:     (*engine).reconcile,
			wants:  []string{"rollout=open>converged", "database=proven>quarantined", "database=quarantined>quarantined", "database=quarantined>"},
		},
		"the old value is in use before the quarantine": {
			before: func(e *engine) { e.mustRotate(); e.database.use = always },
			do:     (*engine).reconcile,
			wants:  []string{"database=proven>held"},
		},
		"the old value is in use after the quarantine": {
			before: func(e *engine) { e.mustRotate(); e.database.use = missed },
			do:     (*engine).reconcile,
			wants:  []string{"database=proven>quarantined", "database=quarantined>held"},
		},
		"what is held is released": {
			before: held,
			do: func(e *engine) {
				if err := e.release(); err != nil {
					e.t.Error(err)
				}
			},
			wants: []string{"database=held>released", "rollout=converged>open"},
		},
		"a rollback, to its end": {
			before: func(e *engine) { e.mustRotate(); e.services.failing = true },
			do: func(e *engine) {
				_ = e.reconcileWith(e.t.Context()) // it may say that AWSCURRENT was moved meanwhile
				e.services.failing = false
				e.reconcile()
			},
			wants: []string{"database=proven>rolledback", "database=rolledback>failed"},
		},
		"a version is made current again by hand": {
			before: func(e *engine) {
				e.mustRotate()
				e.goBack()
			},
			do:    func(e *engine) { e.reconcile(); e.reconcile() },
			wants: []string{"database=proven>proven", "database=proven>quarantined"},
		},
		"the secret was edited": {
			before: func(e *engine) { e.mustRotate(); e.draft()() },
			do:     (*engine).reconcile,
			wants:  []string{"api=proven>", "rollout=open>"},
		},
		"a rotation is given up": {
			before: func(e *engine) {
				e.webhook.broken = true
				e.fails(e.rotate(""), "it does not work")
				e.webhook.broken = false
			},
			do: func(e *engine) {
				if err := e.abandon(); err != nil {
					e.t.Error(err)
				}
			},
			wants: []string{"database=pending>givenup", "api=givenup>"},
		},
		"an emergency": {
			do:    func(e *engine) { e.mustRotateWith("emergency." + uuid) },
			wants: []string{"database=pending>proven", "api=revoking>"},
		},
		"an emergency while an overlap is held": {
			before: held,
			do:     func(e *engine) { e.mustRotateWith("emergency." + uuid) },
			wants:  []string{"database=held>revoking", "database=proven>revoking"},
		},
		"a scheduled rotation that changes nothing": {
			before: func(e *engine) {
				e.mustRotate()
				e.services.stale = true
				e.schedule()
			},
			do:    func(e *engine) { e.nextScheduled(); e.services.stale = false },
			wants: []string{"database=proven>proven"},
		},
	} {
		for _, locks := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", with locks", false: ", without locks"}[locks], func(t *testing.T) {
				t.Parallel()
				// At first without a reconcile beside it, to find what there is to be beside.
				b := replaces(t, locks, tc.before, tc.do, nothing)
				replaced := strings.Fields(strings.Join(b.replaced, " "))
				for _, want := range tc.wants {
					if !slices.Contains(replaced, want) {
						t.Errorf("%s is not replaced, only %q", want, b.replaced)
					}
				}
				for _, replacement := range slices.Compact(slices.Sorted(slices.Values(b.replaced))) {
					if locks && !slices.ContainsFunc(strings.Fields(replacement), func(one string) bool { return slices.Contains(tc.wants, one) }) {
						continue // without locks it was met
					}
					t.Run(replacement, func(t *testing.T) {
						if b := replaces(t, locks, tc.before, tc.do, replacement); !b.ran {
							t.Errorf("no reconcile ran beside it: replaced were %q", b.replaced)
						}
					})
				}
			})
		}
	}
}

// nothing is no replacement.
const nothing = "nothing"

// replaces does something, with a reconcile beside one replacement, and then what
// is open comes to its end.
func replaces(t *testing.T, locks bool, before, do func(*engine), replacement string) *beside {
	t.Helper()
	e := &engine{}
	e.start(t, &e.services, nil)
	e.database.locks, e.api.locks = locks, locks
	if before != nil {
		before(e)
	}
	b, end := e.reconcileBeside(replacement)
	do(e)
	end()
	b.checkNothingIsForgotten()
	if b.lost != "" {
		t.Errorf("%s is accepted, and no labelled version stores it; replaced were %q", b.lost, b.replaced)
	}
	for _, fault := range b.failed {
		t.Errorf("the reconcile beside: %s", fault)
	}
	e.endsWell()
	return b
}

func (e *engine) mustRotateWith(token string) {
	e.t.Helper()
	if err := e.rotate(token); err != nil {
		e.t.Fatal(err)
	}
}

// schedule turns the schedule on, without a rotation at once.
func (e *engine) schedule() {
	e.t.Helper()
	e.scheduleWith(types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(3)})
}

// scheduleWith is schedule with rules of its own.
func (e *engine) scheduleWith(rules types.RotationRulesType) {
	e.t.Helper()
	in := &sm.RotateSecretInput{SecretId: &e.arn, RotationLambdaARN: &e.fn, RotateImmediately: aws.Bool(false), RotationRules: &rules}
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
	e.rotatedAfter(3 * day)
	if !strings.Contains(e.log.String(), "nothing was rotated: the log of createSecret says why") {
		e.t.Error("something was rotated")
	}
	// No other one may begin while the rest is looked at.
	if _, err := e.secrets.CancelRotateSecret(e.t.Context(), &sm.CancelRotateSecretInput{SecretId: &e.arn}); err != nil {
		e.t.Fatal(err)
	}
}

// rotatedAfter turns the clock by a time in which the schedule begins one
// rotation, and waits until that has succeeded.
func (e *engine) rotatedAfter(wait time.Duration) {
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
	e.aws.Clock().Advance(wait)
	_, err := e.aws.WaitEvent(e.t.Context(), func(event host.Event) bool {
		if succeeded(event) {
			seen++
		}
		return seen > ended
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// endsWell lets everything that is open come to its end: each target accepts
// what AWSCURRENT stores, and nothing else, and the journal is empty.
func (e *engine) endsWell() {
	e.t.Helper()
	e.database.use = nil
	for round := 0; round < 3 && (round == 0 || len(e.journal()) > 0); round++ {
		if err := e.release(); err != nil {
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
