package rotation_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"pgregory.net/rapid"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/document"
)

// TestMain has fewer histories tried than rapid does by itself, unless told
// otherwise: `make histories`.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("20"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// What must always hold, in histories that nobody has thought of: rotations,
// edits by hand, redeploys, an operator's actions, and a fault in any call, in
// whatever order. What is found is kept as a test of its own.
func TestWhatMustAlwaysHoldDoesInAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"rotate":    func(rt *rapid.T) { h.act(rt, "rotate", func() { h.rotateWith(rt, "") }) },
			"one kind":  func(rt *rapid.T) { h.act(rt, "rotate one", func() { h.rotateWith(rt, only(rt)) }) },
			"emergency": func(rt *rapid.T) { h.act(rt, "emergency", func() { h.rotateWith(rt, "emergency.") }) },
			"reconcile": func(rt *rapid.T) { h.act(rt, "reconcile", h.reconcileOnce) },
			"again":     func(rt *rapid.T) { h.act(rt, "reconcile", h.reconcileOnce) },
			"abandon":   func(rt *rapid.T) { h.act(rt, "abandon", h.abandon) },
			"release":   func(rt *rapid.T) { h.act(rt, "release", h.release) },
			"task":      func(*rapid.T) { h.note("a task is replaced: %v", h.fleet.replace()) },
			"roll out":  func(*rapid.T) { h.rollOut() },
			"break":     func(*rapid.T) { h.breakNext() },
			"mend":      func(*rapid.T) { h.mend() },
			"edit":      func(*rapid.T) { h.edit() },
			"cancel":    func(*rapid.T) { h.takePendingOff() },
			"go back":   func(*rapid.T) { h.goBack() },
			"wait": func(rt *rapid.T) {
				d := rapid.SampledFrom([]time.Duration{time.Minute, 40 * time.Minute, day, 8 * day}).Draw(rt, "for")
				h.note("%s pass", d)
				h.aws.Clock().Advance(d)
			},
			"": func(*rapid.T) { h.sound() },
		})
		h.end()
	})
}

func only(rt *rapid.T) string {
	return "only." + rapid.SampledFrom([]string{"database", "api", "admin", "smtp", "admin.smtp"}).Draw(rt, "kinds") + "."
}

// history is an engine with the world around it.
type history struct {
	engine
	rt    *rapid.T
	smtp  *issuer
	fleet *fleet

	site      int // how often the field that nobody owns was edited
	rotations int

	// moved: AWSCURRENT was moved by hand, and no reconcile has taken note of
	// it. The secret is to be left alone until then (see docs/operate.md).
	moved bool

	// spoilt are versions that were there when an emergency began: whatever
	// became of it, there may be no way back to them.
	spoilt map[string]bool

	// leaked are the values that were AWSCURRENT when an emergency began. Should it be given up,
	// the next rotation of any sort revokes them, and tasks that have started with them since
	// fail, as the alarm says until then.
	leaked map[string]bool

	mu    sync.Mutex
	acts  bool // the engine is at work
	plan  fault
	calls int
	dead  bool

	broken string // what did not hold first

	parsed sync.Map // what each document holds: it is looked at after every call
}

// fault is what goes wrong with one of the calls of an action.
type fault struct {
	at   int // which one; 0: none
	what string
}

const (
	failsOnce  = "fails"
	diesBefore = "dies before"
	diesAfter  = "dies after"
	losesReply = "reply lost"
)

var errFault = errors.New("injected")

func newHistory(rt *rapid.T) *history {
	h := &history{rt: rt, smtp: newIssuer(), fleet: &fleet{}, spoilt: map[string]bool{}, leaked: map[string]bool{}}
	h.start(rt, h.fleet, []*issuer{h.smtp})
	h.fleet.clock = h.aws.Clock()
	h.fleet.current = func() map[string]string { return h.values(h.version("AWSCURRENT")) }
	for range 2 {
		h.fleet.tasks = append(h.fleet.tasks, task{values: h.fleet.current(), created: h.fleet.clock.Now()})
	}
	for _, k := range h.targets() {
		k.fault = h.disturb
	}
	h.aws.Intercept(func(c wire.Call) (f wire.Fault) {
		if c.Service != "secretsmanager" || c.Operation == "RotateSecret" {
			return f
		}
		refusal := &wire.Error{Code: "AccessDeniedException", Message: errFault.Error(), Status: 400}
		switch h.next() {
		case failsOnce, diesBefore:
			f.Error = refusal
		case diesAfter, losesReply:
			f.LoseReply = true
		}
		return f
	})
	return h
}

func (h *history) state() localsecretsmanager.SecretState {
	state, err := h.aws.SecretsManager.State(h.arn)
	if err != nil {
		h.t.Fatal(err)
	}
	return state
}

func (h *history) targets() []*target {
	return []*target{&h.database.target, &h.api.target, &h.admin, &h.webhook, &h.smtp.target}
}

func (h *history) note(format string, args ...any) { h.rt.Logf(format, args...) }

// next counts a call of the engine's, and tells what goes wrong with it.
func (h *history) next() string {
	h.check("before a call")
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.acts {
		return ""
	}
	if h.dead {
		return diesBefore
	}
	h.calls++
	if h.calls != h.plan.at {
		return ""
	}
	h.dead = h.plan.what == diesBefore || h.plan.what == diesAfter
	return h.plan.what
}

// disturb is target.fault.
func (h *history) disturb(apply func() error) error {
	switch h.next() {
	case failsOnce, diesBefore:
		return errFault
	case diesAfter, losesReply:
		return errors.Join(apply(), errFault)
	default:
		return apply()
	}
}

// act has the engine do something, with a fault in it or none.
func (h *history) act(rt *rapid.T, what string, do func()) {
	plan := fault{what: rapid.SampledFrom([]string{"", failsOnce, diesBefore, diesAfter, losesReply}).Draw(rt, "fault")}
	if plan.what != "" {
		plan.at = rapid.IntRange(1, 40).Draw(rt, "call")
	}
	h.note("%s, fault: %q at %d", what, plan.what, plan.at)
	h.with(plan, do)
}

func (h *history) with(plan fault, do func()) {
	h.mu.Lock()
	h.acts, h.plan, h.calls, h.dead = true, plan, 0, false
	h.mu.Unlock()
	do()
	h.mu.Lock()
	h.acts = false
	h.mu.Unlock()
}

func (h *history) outcome(err error) {
	if err != nil {
		h.note("  %v", err)
	}
}

// rotateWith asks for a rotation with words, or takes up the one that is pending.
func (h *history) rotateWith(rt *rapid.T, words string) {
	h.rotations++
	token := fmt.Sprintf("%s%08d-0000-4000-8000-000000000000", words, h.rotations)
	in := &sm.RotateSecretInput{SecretId: &h.arn, RotationLambdaARN: &h.fn, ClientRequestToken: &token}
	pending := h.version("AWSPENDING").ID
	if strings.HasPrefix(words, "emergency") || strings.HasPrefix(pending, "emergency") {
		h.fleet.doom()
		for _, v := range h.state().Versions {
			h.spoilt[v.ID] = true
		}
		for _, value := range h.values(h.version("AWSCURRENT")) {
			h.leaked[value] = true
		}
	}
	if _, err := h.secrets.RotateSecret(rt.Context(), in); err != nil {
		if !strings.Contains(err.Error(), "will be reattempted") {
			h.t.Fatal(err)
		}
		h.note("  %s is taken up again", pending)
		token = pending
	}
	h.outcome(h.aws.SecretsManager.WaitRotation(rt.Context(), h.arn, token))
}

func (h *history) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&h.log, nil)) }

func (h *history) reconcileOnce() {
	_, err := h.Reconcile(h.t.Context(), h.arn, h.logger(), &scrub.Secrets{})
	if h.outcome(err); err == nil {
		h.moved = false
	}
}

func (h *history) abandon() {
	_, err := h.Abandon(h.t.Context(), h.arn, h.logger(), &scrub.Secrets{})
	h.outcome(err)
}

func (h *history) release() {
	if slices.Contains(h.journal(), "rollout") {
		h.fleet.doom() // a release may end it, whatever tasks are left
	}
	_, err := h.Release(h.t.Context(), h.arn, h.logger(), &scrub.Secrets{})
	h.outcome(err)
}

func (h *history) rollOut() {
	for h.fleet.replace() {
	}
	h.note("the services are rolled out")
}

// breakNext has tasks not start with the database's value that is made next.
func (h *history) breakNext() {
	h.database.mu.Lock()
	defer h.database.mu.Unlock()
	h.fleet.mu.Lock()
	defer h.fleet.mu.Unlock()
	h.fleet.broken = fmt.Sprintf("database-%d", h.database.made+1)
	h.note("the application does not start with %s", h.fleet.broken)
}

func (h *history) mend() {
	h.fleet.mu.Lock()
	defer h.fleet.mu.Unlock()
	h.fleet.broken, h.fleet.failed = "", false
	h.note("the application is mended")
}

// edit changes what nobody owns, as the console does.
func (h *history) edit() {
	if h.moved {
		return
	}
	doc, err := document.Parse(h.version("AWSCURRENT").Value)
	if err == nil {
		doc, err = doc.Put("/site", fmt.Sprintf("mautic-%d", h.site+1))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	value := doc.Raw()
	if _, err := h.secrets.PutSecretValue(h.t.Context(), &sm.PutSecretValueInput{SecretId: &h.arn, SecretString: &value}); err != nil {
		h.t.Fatal(err)
	}
	h.site++
	h.note("the secret is edited: version %s", h.version("AWSCURRENT").ID)
}

func (h *history) takePendingOff() {
	pending := h.version("AWSPENDING").ID
	if pending == "" || pending == h.version("AWSCURRENT").ID {
		return
	}
	_, err := h.secrets.UpdateSecretVersionStage(h.t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &h.arn, VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: &pending,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.note("AWSPENDING is taken off %s by hand", pending)
}

// goBack does by hand what docs/operate.md tells of: the version before is made
// current again, while its overlap is open.
func (h *history) goBack() {
	current := h.version("AWSCURRENT").ID
	if pending := h.version("AWSPENDING").ID; h.moved || pending != "" && pending != current {
		return
	}
	isAccepted := func(label, kind string) bool {
		return strings.HasPrefix(label, "rotation;2;") && (strings.Contains(label, ";"+kind+"=proven.") || strings.Contains(label, ";"+kind+"=old."))
	}
	if !slices.ContainsFunc(h.version("AWSCURRENT").Labels, func(l string) bool { return isAccepted(l, "database") }) {
		return // its promotion has not been followed up
	}
	for _, v := range h.state().Versions {
		for _, label := range v.Labels {
			// What tasks read when they start is accepted still, and nothing is on its way out.
			open := isAccepted(label, "database") && isAccepted(label, "smtp")
			if !open || strings.Contains(label, "=quarantined") || strings.Contains(label, "=revoking") || h.spoilt[v.ID] || v.ID == current {
				continue
			}
			if text, err := document.Parse(v.Value); err != nil || !strings.Contains(text.Raw(), fmt.Sprintf(`"site": "mautic%s"`, h.suffix())) {
				continue // it would undo an edit
			}
			h.moved = true
			h.moveCurrent(v.ID, current)
			h.note("AWSCURRENT is moved by hand from %s back to %s", current, v.ID)
			return
		}
	}
}

func (h *history) suffix() string {
	if h.site == 0 {
		return ""
	}
	return fmt.Sprintf("-%d", h.site)
}

// values are what a version holds of each kind; nil when it has no value.
func (h *history) values(v localsecretsmanager.VersionState) map[string]string {
	if values, known := h.parsed.Load(v.Value); known {
		return values.(map[string]string)
	}
	doc, err := document.Parse(v.Value)
	if err != nil {
		return nil
	}
	values := map[string]string{}
	for _, k := range h.targets() {
		values[k.name] = k.value(doc)
	}
	h.parsed.Store(v.Value, values)
	return values
}

// check is what must always hold. It is called from whatever goroutine makes a
// call, and so it only notes what does not.
func (h *history) check(when string) {
	if broken := h.violation(); broken != "" {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.broken == "" {
			h.broken = when + ": " + broken
		}
	}
}

// sound fails the history if something has not held.
func (h *history) sound() {
	h.check("afterwards")
	if h.broken != "" {
		h.t.Fatalf("%s\nthe journal: %s\nthe log ends:\n%s", h.broken, h.journal(), h.tail())
	}
}

func (h *history) violation() string {
	state, err := h.aws.SecretsManager.State(h.arn)
	if err != nil {
		return err.Error()
	}
	current := state.Labelled("AWSCURRENT")
	held, now := map[string][]string{}, h.values(current)
	for _, v := range state.Versions {
		if len(v.Labels) == 0 {
			continue
		}
		for kind, value := range h.values(v) {
			held[kind] = append(held[kind], value)
		}
	}
	for _, k := range h.targets() {
		single := k == &h.admin || k == &h.webhook
		accepted := strings.Fields(k.accepts())
		// From set to promotion, a target of one value accepts the pending one.
		if !single && !slices.Contains(accepted, now[k.name]) {
			return fmt.Sprintf("the target accepts %s, and not %s of AWSCURRENT", accepted, now[k.name])
		}
		for _, value := range accepted {
			if k != &h.smtp.target && !slices.Contains(held[k.name], value) {
				return fmt.Sprintf("%s is accepted, and no labelled version holds it", value)
			}
		}
	}
	if !strings.Contains(current.Value, fmt.Sprintf(`"site": "mautic%s"`, h.suffix())) {
		return "an edit is lost"
	}
	if labels := len(allLabels(state)); labels > 20 {
		return fmt.Sprintf("%d labels", labels)
	}
	for _, t := range h.fleet.running() {
		for _, k := range []*target{&h.database.target, &h.smtp.target} {
			if value := t.values[k.name]; !t.doomed && !h.leaked[value] && !k.takes(value) {
				return fmt.Sprintf("a task runs with %s, which is refused", value)
			}
		}
	}
	return ""
}

func allLabels(state localsecretsmanager.SecretState) (labels []string) {
	for _, v := range state.Versions {
		labels = append(labels, v.Labels...)
	}
	return labels
}

// end lets all that is open come to its end, and rotates once more.
func (h *history) end() {
	h.note("— the end begins")
	h.mend()
	h.settle()
	if pending := h.version("AWSPENDING").ID; pending != "" && pending != h.version("AWSCURRENT").ID {
		h.with(fault{}, h.abandon)
		h.settle()
	}
	h.closed()
	before := h.values(h.version("AWSCURRENT"))
	h.with(fault{}, func() { h.rotateWith(h.rt, "all.") })
	h.settle()
	h.closed()
	for kind, value := range h.values(h.version("AWSCURRENT")) {
		if value == before[kind] {
			h.t.Fatalf("the last rotation has not changed %s", kind)
		}
	}
}

func (h *history) settle() {
	for round := range 4 {
		for range 3 {
			h.with(fault{}, h.reconcileOnce)
			h.rollOut()
			h.aws.Clock().Advance(time.Minute)
		}
		if round < 2 {
			h.with(fault{}, h.release) // what is held, or has failed
			h.rollOut()
		}
		h.aws.Clock().Advance(8 * day)
	}
}

// tail is the end of the log.
func (h *history) tail() string { return h.log.String()[max(0, h.log.Len()-8000):] }

// closed: the journal is empty, and accepted is what is current and no more.
func (h *history) closed() {
	h.sound()
	if journal := h.journal(); len(journal) > 0 {
		h.t.Fatalf("left in the journal: %s\nthe log ends:\n%s", journal, h.tail())
	}
	now := h.values(h.version("AWSCURRENT"))
	for _, k := range h.targets() {
		if k.accepts() != now[k.name] {
			h.t.Fatalf("at the end %s are accepted of %s, and AWSCURRENT holds %s", k.accepts(), k.name, now[k.name])
		}
	}
}
