package explore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
)

// A world is all that a history can change, and the engine beside it. Everything
// in it happens when it is told to: there is no goroutine, no real time, and
// nothing random.
type world struct {
	scenario *Scenario
	engine   *rotation.Rotator
	kinds    []kindOf
	secrets  *secretsmanager.Core
	arns     []string
	runs     runs
	running  *run // the engine, while it runs; nil: the world's side does

	state
	active *invocation // whose call is made
	quiet  int         // what happens now is not to be disturbed
	calls  int         // in all
	sent   *late       // the late call that takes effect now; nil: none does
	ends   *endings    // that are known; nil: none is played
	trace  io.Writer   // where a history is told; nil: nowhere

	backup []account          // what a restored server has
	read   map[string]*stored // what each text stores, by the text
	times  serverTimes
	buffer []byte

	described map[string]*description // by the digest of all secrets, and an ARN
	fresh     snapshot                // before anything has happened
}

// state is the part of a world that a snapshot copies. What a slice in it holds is not
// changed in place, but for those that copied clones.
type state struct {
	now      time.Time
	accounts []account
	services []service
	tasks    []task
	late     []late
	moves    []move
	made     int    // values and tokens so far
	runs     int    // invocations that ran at once so far
	lagging  string // a value that a program beside the services uses
	ill      int    // of the application: well, unhealthy, unclear

	facts                            // of the checker
	current *secretsmanager.Snapshot // before the latest write, for a stale read
	seen    [][]version              // each secret's versions; nil: to be read again

	// The history so far.
	pair   [2]invocation
	turn   int    // whose it is
	step   int    // how often somebody was about to make a call
	since  int    // calls since the history began
	over   bool   // it goes no further
	broken string // what does not hold; "" if nothing does not
	checks checker
}

// A move of AWSCURRENT, of which an event is on its way.
type move struct {
	secret int
	at     time.Time
}

// late is a call that takes effect after its caller has given it up.
type late struct {
	call    *call
	by      int // the invocation that made it
	due     due
	calls   int    // that are made before it is due
	account int    // whose lock it holds; -1: none
	takes   string // the value that it takes away; empty: none
	told    string // what its invocation knew of AWSCURRENT and AWSPENDING when it sent it; "": not known
}

// copied is what a snapshot keeps.
func (s *state) copied() state {
	c := *s
	c.accounts, c.services, c.alarms, c.seen = slices.Clone(s.accounts), slices.Clone(s.services), slices.Clone(s.alarms), slices.Clone(s.seen)
	return c
}

// snapshot is a world at a moment at which the engine does not run.
type snapshot struct {
	state   state
	secrets secretsmanager.Snapshot
}

func (w *world) snapshot() snapshot { return snapshot{w.copied(), w.secrets.Snapshot()} }

func (w *world) restore(s *snapshot) {
	w.state = s.state.copied()
	w.secrets.Restore(s.secrets)
	w.active = nil
}

// began is by AWS's clock, with a part of a second.
var began = time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)

// newWorld makes the world of a scenario, before anything has happened in it.
func newWorld(s *Scenario) *world {
	w := &world{scenario: s, state: state{now: began}, runs: runs{moments: map[uint64]*moment{}}, read: map[string]*stored{}, times: serverTimes{}, described: map[string]*description{}}
	env := host.Env{
		Account: host.Account{Region: "us-east-1", ID: "123456789012"},
		Now:     func() time.Time { return w.now }, RealNow: func() time.Time { return w.now },
		Random: host.NewRandom(&counter{}),
		Emit:   w.hear,
	}
	w.secrets = secretsmanager.NewCore(env, secretsmanager.Options{SecretSuffix: "AbCdEf", Variants: s.variants()}, secretsmanager.Hooks{})
	var kinds []credential.Kind
	for i, name := range s.Kinds {
		k := newKind(w, i, name)
		w.kinds = append(w.kinds, k)
		kinds = append(kinds, k)
	}
	var services rotation.Services
	if s.Services != NoServices {
		services = fleet{w}
	}
	var health rotation.Health
	if s.Health {
		health = application{w}
	}
	w.makes(max(1, s.Secrets))
	w.fresh = w.snapshot()
	w.engine = rotation.New(rotation.Config{
		SecretsManager: api{w}, Kinds: kinds, Services: services, Health: health, Limits: s.limits(), Clock: clock{w},
		Metrics: metrics{w}, Secrets: w.arns,
	})
	return w
}

// makes makes the secrets, the accounts and the tasks.
func (w *world) makes(secrets int) {
	for secret := range secrets {
		of := secret
		if w.scenario.Copied {
			of = 0
		}
		text := fmt.Sprintf(`{"site": "mautic-0", "account": "%d"`, of)
		for _, k := range w.kinds {
			value := fmt.Sprintf("%s%s-%d-0", mark, k.Name(), of)
			text += fmt.Sprintf(`, %q: %q`, k.Name(), value)
			w.accounts = append(w.accounts, account{values: []held{{text: value, on: true, made: w.now}}})
		}
		name := fmt.Sprintf("s%d", secret)
		text += "}"
		out, err := w.secrets.CreateSecret(context.Background(), secretsmanager.CreateSecretInput{
			Name: name, ClientRequestToken: token("", 90000000+secret), SecretString: &text,
		})
		if err != nil {
			panic(err)
		}
		w.arns = append(w.arns, out.ARN)
		w.sites = append(w.sites, "mautic-0")
		w.alarms = append(w.alarms, 0)
	}
	w.seen = make([][]version, len(w.arns))
	w.services = make([]service, max(0, w.scenario.Services))
	for i := range w.services {
		w.services[i] = service{deployed: w.now, desired: 1}
		w.tasks = append(w.tasks, w.newTask(i))
	}
	w.moves = nil
	w.now = w.now.Add(24 * time.Hour)
}

// token is a version's id.
func token(words string, n int) string {
	return fmt.Sprintf("%s-%012d-4000-8000-000000000000", words, n)
}

func (w *world) nextToken(words string) string {
	w.made++
	return token(words, w.made)
}

// accountOf is the index of a kind's account of a secret.
func (w *world) accountOf(secret, kind int) int { return secret*len(w.kinds) + kind }

// hear takes note of what Secrets Manager tells.
func (w *world) hear(e host.Event) {
	if e, ok := e.(secretsmanager.LabelUpdated); ok && slices.Contains(e.Labels, "AWSCURRENT") {
		w.moves = append(slices.Clip(w.moves), move{slices.Index(w.arns, e.Secret), e.At})
	}
}

// A version is one of a secret, as it is.
type version struct {
	id     string
	labels []string
	*stored
}

func (v version) has(label string) bool { return slices.Contains(v.labels, label) }

// stored is what a version stores; the zero value where it stores nothing.
type stored struct {
	text   string
	site   string
	secret int      // that it belongs to
	values []string // by kind
}

func (w *world) forgetVersions() { clear(w.seen) }

// versions are those of a secret, as they are now.
func (w *world) versions(secret int) []version {
	if w.seen[secret] == nil {
		state, err := w.secrets.State(w.arns[secret])
		if err != nil {
			panic(err)
		}
		list := make([]version, len(state.Versions))
		for i, v := range state.Versions {
			list[i] = version{v.ID, v.Labels, w.parse(v.Value)}
		}
		w.seen[secret] = list
	}
	return w.seen[secret]
}

// labelled is the version that has a label; nil where none has.
func (w *world) labelled(secret int, label string) *version {
	list := w.versions(secret)
	for i := range list {
		if list[i].has(label) {
			return &list[i]
		}
	}
	return nil
}

// parse reads a document without the engine's code.
func (w *world) parse(text string) *stored {
	if s := w.read[text]; s != nil {
		return s
	}
	s := &stored{text: text, values: make([]string, len(w.kinds))}
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) == nil {
		s.site, _ = fields["site"].(string)
		if at, _ := fields["account"].(string); at != "" {
			s.secret = int(at[0] - '0')
		}
		for i, k := range w.kinds {
			s.values[i], _ = fields[k.Name()].(string)
		}
	}
	w.read[text] = s
	return s
}

// wrote has what was known of the secrets be read again.
func (w *world) wrote(before secretsmanager.Snapshot) {
	w.current = &before
	w.forgetVersions()
}

// digest tells the world from any other one, and what the invocations of the pair have
// been answered, but for what can matter to a further disturbance alone. It is good
// until the next call.
func (w *world) digest() []byte {
	b := w.secrets.AppendDigest(w.buffer[:0])
	n := func(v int) { b = binary.AppendVarint(b, int64(v)) }
	text := func(t string) {
		n(len(t))
		b = append(b, t...)
	}
	b = binary.AppendVarint(b, w.now.UnixMilli())
	for i := range w.accounts {
		a := &w.accounts[i]
		n(a.locks[changing])
		n(a.locks[ending])
		text(a.missed)
		n(len(a.values))
		for _, v := range a.values {
			text(v.text)
			n(flags(v.on))
			if !w.isServer(i) { // nobody asks a server when a value was made
				b = binary.AppendVarint(b, v.made.UnixMilli())
			}
		}
	}
	for i := range w.services {
		b = binary.AppendVarint(b, w.services[i].deployed.UnixMilli())
		n(flags(w.services[i].failed, w.services[i].missing))
		n(w.services[i].desired)
	}
	n(len(w.tasks))
	for i := range w.tasks {
		t := &w.tasks[i]
		n(t.service)
		b = binary.AppendVarint(b, t.created.UnixMilli())
		for _, v := range t.values {
			text(v)
		}
		n(flags(t.excused))
	}
	n(len(w.late))
	for i := range w.late {
		l := &w.late[i]
		text(l.call.what)
		text(l.call.detail)
		n(l.by)
		n(int(l.due))
		n(l.calls)
		n(l.account)
		text(l.told)
	}
	n(len(w.moves))
	for _, m := range w.moves {
		n(m.secret)
		b = binary.AppendVarint(b, m.at.UnixMilli())
	}
	n(w.made)
	n(w.ill)
	text(w.lagging)
	b = w.appendFacts(b)
	n(w.turn)
	for i := range w.pair {
		v := &w.pair[i]
		n(flags(v.at == nil, v.ended, v.void, v.failing, v.used))
		if v.at != nil && !v.ended {
			b = binary.LittleEndian.AppendUint64(b, v.at.id)
		}
	}
	w.buffer = b
	return b
}

// digestOfDisturbances tells what else matters if something may disturb the history
// further: what a stale read shows, and what the checker excuses.
func (w *world) digestOfDisturbances() []byte {
	b := w.buffer[:0]
	for i := range w.pair {
		b = appendTexts(appendTexts(b, w.pair[i].proved), w.pair[i].taking)
	}
	for i := range w.late {
		b = append(append(b, w.late[i].takes...), 0)
	}
	if w.current != nil {
		b = w.current.AppendDigest(b)
	}
	w.buffer = b
	return b
}

// digests are hashes of the world: as it matters if nothing disturbs the history any
// more, and as it does if something may; that is 0 unless it is asked for.
func (w *world) digests(disturbed bool) (settled, state uint64) {
	settled = hashOf(1, w.digest())
	if disturbed {
		state = hashOf(settled, w.digestOfDisturbances())
	}
	return settled, state
}

func flags(on ...bool) (n int) {
	for i, o := range on {
		if o {
			n |= 1 << i
		}
	}
	return n
}

// tell writes a line of the history's story.
func (w *world) tell(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, format+"\n", args...)
	}
}

// hidden is a text without the marks of values, for the story.
func hidden(text string) string { return strings.ReplaceAll(text, mark, "") }

// mark begins every secret value, so that one is known wherever it appears.
const mark = "se<ret:"

// counter is a source of bytes that are all different, and always the same.
type counter struct{ n uint64 }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		b[i] = byte(c.n >> 56)
	}
	return len(b), nil
}

// clock is the world's, for the engine.
type clock struct{ w *world }

func (c clock) Now() time.Time { return c.w.running.now }

func (c clock) Wait(_ context.Context, d time.Duration) error {
	c.w.running.now = c.w.running.now.Add(max(0, d))
	return nil
}

type metrics struct{ w *world }

func (m metrics) Put(arn string, list ...rotation.Metric) {
	for _, one := range list {
		if one.Name != "AttentionNeeded" {
			continue
		}
		if secret, n := slices.Index(m.w.arns, arn), int(one.Value); secret >= 0 {
			m.w.running.does(func(w *world, _ *invocation) { w.alarms[secret] = n })
		}
	}
}

// hashOf adds bytes to a hash.
func hashOf(h uint64, b []byte) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		h = mixNumber(h, binary.LittleEndian.Uint64(b))
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return mixNumber(h, 0)
}

func (w *world) violated(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
	w.over = true
}
