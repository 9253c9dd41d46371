package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/rotation/copies"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/rollout"
)

// What the engine does with kinds of every sort, tried with kinds that are no
// more than a list of what their target accepts. Real ones are tested in their
// own packages, and with the function as it is deployed.

// target is a kind of one value. Its field is named for it.
type target struct {
	name    string
	restart bool
	needs   string // the kind that its target is reached through

	mu       sync.Mutex
	accepted []string
	made     int
	broken   bool // Test fails
	early    bool // Generate makes no new value yet

	// refuses is why Generate cannot make a value, whenever it is asked; nil: it can.
	refuses func(context.Context) error

	asked credential.Generation // what Generate was asked last

	// fault stands between a call and what it does at the target; nil: nothing
	// goes wrong.
	fault func(apply func() error) error

	// at runs when one of the methods below begins; nil: nothing does.
	at func(method string)

	// reached gets the document whose other fields Probe and Restore reach the target with;
	// nil: nobody looks. A kind in Mautic's tables logs in with its database password.
	reached func(method string, d document.Document)
}

func (k *target) reach(method string, d document.Document) {
	if k.reached != nil {
		k.reached(method, d)
	}
}

func (k *target) begin(method string) {
	if k.at != nil {
		k.at(method)
	}
}

// call does something at the target, as far as the fault lets it.
func (k *target) call(apply func() error) error {
	if k.fault == nil {
		return apply()
	}
	return k.fault(apply)
}

func (k *target) Name() string       { return k.name }
func (k *target) Needs() string      { return k.needs }
func (k *target) NeedsRestart() bool { return k.restart }
func (k *target) Where() string      { return string(k.field()) }
func (k *target) field() document.Pointer {
	return document.Pointer("/" + k.name)
}

func (k *target) Fields(d document.Document) ([]document.Pointer, error) {
	if has, err := d.Has(k.field()); err != nil || !has {
		return nil, err
	}
	return []document.Pointer{k.field()}, nil
}

func (k *target) Value(d document.Document) (credential.Value, bool, error) {
	if has, err := d.Has(k.field()); err != nil || !has {
		return credential.Value{}, false, err
	}
	secret, err := d.Text(k.field())
	return credential.Value{Target: k.name, Secret: secret}, err == nil, err
}

func (k *target) Login(d document.Document) (copies.Login, bool, error) {
	v, ok, err := k.Value(d)
	return copies.Login{Name: k.name, Secret: v.Secret}, ok, err
}

func (k *target) Generate(ctx context.Context, g credential.Generation) (document.Document, error) {
	if k.refuses != nil {
		if err := k.refuses(ctx); err != nil {
			return document.Document{}, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked = g; k.early {
		return document.Document{}, &credential.TooEarly{Until: g.Now.Add(24 * time.Hour), Why: "it was just rotated"}
	}
	k.made++
	return g.Current.Replace(k.field(), fmt.Sprintf("%s-%d", k.name, k.made))
}

func (k *target) value(d document.Document) string {
	value, err := d.Text(k.field())
	if err != nil {
		panic(err)
	}
	return value
}

func (k *target) accept(values ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.accepted = values
}

// accepts are the values that the target accepts, sorted.
func (k *target) accepts() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(k.accepted))), " ")
}

func (k *target) Set(ctx context.Context, c credential.Change) error {
	k.begin("set")
	if err := c.Confirm(ctx); err != nil {
		return err
	}
	return k.call(func() error {
		k.accept(k.value(c.Pending))
		return nil
	})
}

func (k *target) PutBack(ctx context.Context, c credential.Change) error {
	k.begin("put back")
	if k.accepts() != k.value(c.Pending) {
		return k.call(func() error { return nil })
	}
	if err := c.Confirm(ctx); err != nil {
		return err
	}
	return k.call(func() error {
		k.accept(k.value(c.Current))
		return nil
	})
}

func (k *target) Test(_ context.Context, c credential.Change) error {
	k.begin("test")
	if k.broken {
		return errors.New("it does not work")
	}
	_, err := k.Probe(context.Background(), c.Pending)
	return err
}

func (k *target) Probe(_ context.Context, d document.Document) (credential.Outcome, error) {
	k.begin("probe")
	k.reach("probe", d)
	denied := errors.New("denied")
	err := k.call(func() error {
		if k.takes(k.value(d)) {
			return nil
		}
		return denied
	})
	switch {
	case errors.Is(err, denied):
		return credential.Denied, err
	case err != nil:
		return credential.Unreachable, err
	default:
		return credential.Accepted, nil
	}
}

func (k *target) takes(value string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.accepted, value)
}

func (k *target) Preflight(ctx context.Context, _ document.Document) []credential.Check {
	if k.refuses == nil {
		return nil
	}
	return []credential.Check{{What: "it can be rotated", Problem: k.refuses(ctx)}}
}

// pair is a kind whose target accepts two values.
type pair struct {
	target
	overlap time.Duration
	stuck   bool
	busy    bool        // another invocation ends the overlap
	looked  []time.Time // what time it was by the overlap, whenever InUse was asked

	// use is what InUse sees of an old value's use; nil: nothing.
	use func(credential.Overlap) (evidence string, err error)

	locks bool // Exclusive keeps others out
	lock  sync.Mutex
}

func (k *pair) MinOverlap() time.Duration { return k.overlap }

func (k *pair) Set(ctx context.Context, c credential.Change) error {
	k.begin("set")
	if err := c.Confirm(ctx); err != nil {
		return err
	}
	return k.call(func() error {
		if !k.takes(k.value(c.Current)) {
			return errors.New("the current value is refused")
		}
		k.accept(k.value(c.Current), k.value(c.Pending))
		return nil
	})
}

func (k *pair) PutBack(_ context.Context, c credential.Change) error {
	k.begin("put back")
	_, err := k.Probe(context.Background(), c.Current)
	return err
}

// take takes one value away.
func (k *pair) take(value string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.accepted = slices.DeleteFunc(k.accepted, func(v string) bool { return v == value })
}

func (k *pair) Exclusive(context.Context, credential.Overlap) (func(), bool, error) {
	k.begin("exclusive")
	switch {
	case k.busy:
		return func() {}, false, nil
	case !k.locks:
		return func() {}, true, nil
	case !k.lock.TryLock():
		return nil, false, nil
	}
	return k.lock.Unlock, true, nil
}

func (k *pair) InUse(_ context.Context, o credential.Overlap, _ time.Duration) (credential.Use, error) {
	k.begin("in use")
	k.mu.Lock()
	k.looked = append(k.looked, o.Now)
	k.mu.Unlock()
	if k.use == nil {
		return credential.Use{Told: true}, nil
	}
	seen, err := k.use(o)
	return credential.Use{Seen: seen, Told: true}, err
}

func (k *pair) Revoke(_ context.Context, o credential.Overlap) (string, error) {
	return "what was issued under " + k.value(o.Old), nil
}

func (k *pair) Quarantine(ctx context.Context, o credential.Overlap) error {
	k.begin("quarantine")
	return k.takeAway(ctx, o)
}

func (k *pair) Restore(_ context.Context, o credential.Overlap) error {
	k.begin("restore")
	k.reach("restore", o.Current)
	return k.call(func() error {
		k.accept(k.value(o.Current), k.value(o.Old))
		return nil
	})
}

func (k *pair) Retire(ctx context.Context, o credential.Overlap) error {
	k.begin("retire")
	return k.takeAway(ctx, o)
}

func (k *pair) takeAway(ctx context.Context, o credential.Overlap) error {
	if err := o.Confirm(ctx); err != nil {
		return err
	}
	if k.stuck {
		return errors.New("the target does not answer")
	}
	return k.call(func() error {
		if !k.takes(k.value(o.Current)) {
			return errors.New("the current value is refused, so the old one stays")
		}
		k.take(k.value(o.Old))
		return nil
	})
}

// services are one service, whose tasks are replaced at once or never.
type services struct {
	mu       sync.Mutex
	clock    clock
	times    int
	deployed time.Time // when it was redeployed last
	failing  bool      // its deployments fail
	stale    bool      // tasks from before the redeploy are left
	fewer    bool      // it runs fewer new tasks than it is to
	busy     bool      // somebody deploys it
	missing  string    // why it is not there
	unread   bool      // no task reads the secret
	refusal  error     // why no redeploy begins; nil: one does
}

// clock is that of the stand-in for AWS.
type clock interface {
	Now() time.Time
	Advance(time.Duration)
}

// aSecond passes before a redeploy begins: the engine waits for the next second, and
// in these tests for no time at all. Two rollouts in the same second take another.
const aSecond = 3 * time.Second

func (s *services) Names() []string { return []string{"web"} }

func (s *services) RedeployService(context.Context, string, *slog.Logger) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return s.refusal
	}
	s.times++
	s.clock.Advance(aSecond)
	s.deployed = s.clock.Now()
	return nil
}

func (s *services) Observe(_ context.Context, _ string, since time.Time) ([]rollout.Service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	web := rollout.Service{
		Name: "web", Desired: 1, Fresh: 1, Deploying: s.busy, Missing: s.missing,
		Deployed: !s.deployed.Before(since),
	}
	if s.failing {
		web.Failed, web.Fresh, web.Older = "circuit breaker", 0, []string{"task 1a2b, created before"}
	}
	if s.stale {
		web.Older = []string{"task 1a2b, created before, still drains"}
	}
	if s.fewer {
		web.Fresh = 0
	}
	return []rollout.Service{web}, nil
}

func (s *services) Deploying(ctx context.Context, since time.Time) ([]rollout.Service, error) {
	services, err := s.Observe(ctx, "", since)
	for i, o := range services {
		services[i] = rollout.Service{Name: o.Name, Missing: o.Missing, Deploying: o.Deploying}
	}
	return services, err
}

func (s *services) TaskAt(context.Context, string) (string, bool) { return "", false }

func (s *services) Preflight(context.Context, string) []credential.Check {
	if !s.unread {
		return nil
	}
	return []credential.Check{{What: "the services", Problem: errors.New("no task reads the secret")}}
}

func (s *services) Others(context.Context, string) []credential.Check { return nil }
