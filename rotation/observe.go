package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/rollout"
	"mautic-rotation/rotation/secret"
)

// A sight is what was read of a secret at one moment, and the input of a decision about it.
type sight struct {
	m                secret.Metadata
	book             ledger.Book
	current, pending string // versions
	tick             bool
	moved            time.Time // when AWSCURRENT was moved, according to an event; zero: no event
	plan             plan.Observation

	// stores are the labelled versions that store a kind's value, keyed by the version under
	// which the plan knows the value. They include that version.
	stores map[place][]string
}

// A place is a kind in a version.
type place struct{ kind, version string }

// adopting reports whether the secret has no ledger yet: the only labelled versions belong to
// rotations in progress, or to ones that were given up and never promoted.
func (s *sight) adopting() bool {
	return !slices.ContainsFunc(s.book.Pages, func(p ledger.Page) bool {
		if p.Version == s.current || slices.Contains(s.m.Labels[p.Version], secret.Previous) {
			return true
		}
		for _, e := range p.Entries {
			if e.State != ledger.Pending {
				return true
			}
		}
		return len(p.Entries) == 0
	})
}

// idle reports whether nothing is open: AWSCURRENT's values are proven, the rollout has
// converged, and no other value is live.
func (s *sight) idle() bool {
	if s.rollout().Open() || !s.moved.IsZero() {
		return false
	}
	for _, page := range s.book.Pages {
		if page.Torn() {
			return false
		}
		for _, e := range page.Entries {
			switch {
			case e.State == ledger.Failed:
			case e.State == ledger.Proven && page.Version == s.current && len(page.Labels) == 1 && (!s.tick || !plan.ProofIsOver(e, s.m.At)):
			default:
				return false
			}
		}
	}
	return true
}

// open returns which kinds must not be rotated now, and why: replacing their value could evict
// one in use.
func (s *sight) open(present []string) map[string]string {
	open := map[string]string{}
	if r := s.rollout(); r.Open() {
		for _, name := range present {
			open[name] = fmt.Sprintf("the last rollout, which began at %s, has not converged", r.Since.Format(time.RFC3339))
		}
	}
	for _, k := range s.plan.Kinds {
		for _, old := range k.Old {
			switch {
			case old.Entry.State == ledger.Foreign && k.Overlaps:
				open[k.Name] = fmt.Sprintf("the value of version %s, which an operator has released as foreign, may be in use: remove it from its target, then remove its label", old.Version)
			case !k.Overlaps && old.Entry.State == ledger.Old:
				// Its target has accepted only the wanted value since the promotion.
			case old.Entry.State.Live() && old.Entry.State != ledger.Foreign:
				open[k.Name] = fmt.Sprintf("its overlap is still open: the value of version %s may be in use (%s)", old.Version, old.Entry.State)
			}
		}
	}
	return open
}

// hasRoomForLabels fails if a rotation would need more staging labels than a secret can have: one
// for the pending version, and one for AWSCURRENT if it has none yet.
func (s *sight) hasRoomForLabels() error {
	need := 1
	if len(s.page().Labels) == 0 {
		need = 2
	}
	if free := s.book.Free(); free < need {
		return fmt.Errorf("the secret has too many staging labels: a rotation needs %d more, and %[3]d of the %[2]d labels that a secret can have stay free: remove labels that are not AWS's own and do not begin with %[4]q (aws secretsmanager update-secret-version-stage)",
			need-max(0, free), ledger.MaxLabels, ledger.SpareSlots, ledger.Prefix)
	}
	return nil
}

// rollout is the secret's rollout: the latest that any label records. Whether the application was
// unhealthy comes from AWSCURRENT's label if that records the same rollout: after an edit, the
// label of the previous version is out of date.
func (s *sight) rollout() ledger.Rollout {
	r := s.book.Rollout()
	if here := s.page().Rollout; here.Since.Equal(r.Since) {
		r.Unhealthy = here.Unhealthy
	}
	return r
}

// page is what the ledger says of AWSCURRENT.
func (s *sight) page() ledger.Page { return s.book.Page(s.current) }

// pageOf is what the ledger says about a version, without a rollout that AWSCURRENT's label has
// too, or that is older than AWSCURRENT's.
func (s *sight) pageOf(version string) ledger.Page {
	page := s.book.Page(version)
	if version != s.current && !s.page().Rollout.Since.IsZero() && !page.Rollout.Since.After(s.page().Rollout.Since) {
		page.Rollout = ledger.Rollout{}
	}
	return page
}

// findings are what an invocation has found out so far, apart from what its reader knows of the
// secret.
type findings struct {
	probes map[place]plan.Probe
	use    map[place]watched
	mine   map[place]bool        // values that this invocation has quarantined
	swaps  map[string]bool       // whether a kind's target accepts only one value
	unset  map[string]string     // kinds whose wanted value could not be set again, and why
	routes map[string]plan.Probe // whether a kind's target can be written to
	others *others               // nil: they were not looked at

	surprises int       // how many readings had shown changes by someone else when the probes began
	checked   []finding // of a preflight, or of verify

	begun *ledger.Rollout // of an emergency, whose redeploy follows retiring the old values

	moved      bool // AWSCURRENT was rolled back by this invocation
	unfinished bool // a rollback by this invocation has failed, perhaps after a write that was not answered
	looked     bool
	wholly     bool      // the services' tasks were looked at too
	since      time.Time // of the rollout that was looked at
	services   []rollout.Service
	health     plan.Health
	ill        string // what is wrong with the application
}

// watched is what was seen of a value's use while it was in a state.
type watched struct {
	state ledger.State
	use   plan.Use
}

func newFindings() *findings {
	return &findings{
		probes: map[place]plan.Probe{}, use: map[place]watched{},
		mine: map[place]bool{}, swaps: map[string]bool{}, unset: map[string]string{}, routes: map[string]plan.Probe{},
	}
}

// changed records that a kind's target may have been given another value. It may now refuse
// whichever it accepted before, including AWSCURRENT's.
func (f *findings) changed(kind string) {
	maps.DeleteFunc(f.probes, func(p place, _ plan.Probe) bool { return p.kind == kind })
}

// see is look without reading the labels again if they are known. Before writing based on its
// result, use fresh labels. It is good enough to find that nothing is left to do, or that a
// target must be asked.
func (r *run) see(ctx context.Context, tick bool) (*sight, error) {
	m, known := r.read.Known()
	if !known {
		return r.look(ctx, tick)
	}
	return r.lookAt(ctx, m, tick)
}

// lookToWrite is look, as at a tick, for an operator's action, which writes based on the result:
// it looks again if reading the versions took time.
func (r *run) lookToWrite(ctx context.Context) (*sight, error) {
	s, err := r.look(ctx, true)
	if err == nil && !r.read.Fresh() {
		s, err = r.look(ctx, true)
	}
	return s, err
}

// look reads the labels, and from the versions what a decision depends on.
func (r *run) look(ctx context.Context, tick bool) (*sight, error) {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return nil, err
	}
	return r.lookAt(ctx, m, tick)
}

// bookOf reads the ledger. The labels are often those of the look before.
func (r *run) bookOf(labels secret.Labels) (book ledger.Book, err error) {
	if r.labels != nil && maps.EqualFunc(r.labels, labels, slices.Equal) {
		return r.book, nil
	}
	if book, err = ledger.Read(labels); err == nil {
		r.labels, r.book = labels, book
	}
	return book, err
}

func (r *run) lookAt(ctx context.Context, m secret.Metadata, tick bool) (*sight, error) {
	book, err := r.bookOf(m.Labels)
	if err != nil {
		return nil, err
	}
	if n := r.read.Surprises(); n != r.found.surprises {
		// Someone has promoted, stored or moved a version, and may have changed a target.
		r.found.surprises, r.found.probes = n, map[place]plan.Probe{}
	}
	s := &sight{
		m: m, book: book, current: m.Labels.Version(secret.Current), pending: m.Labels.Version(secret.Pending),
		stores: map[place][]string{}, tick: tick, moved: r.moved,
	}
	if s.pending == s.current {
		s.pending = "" // it was promoted, and Secrets Manager left the label on it
	}
	if s.current == "" || s.idle() && !r.whole {
		return s, nil
	}
	s.plan = plan.Observation{
		Now: m.At, Tick: tick, Limits: r.limits.plan(), Adopting: s.adopting(),
		Moved:     r.found.moved,
		GaveUp:    r.gaveUp,
		Emergency: r.byEmergency(s.current),
		Finishing: r.event.Token != "" && r.event.Token == s.current,
		Rotating:  s.pending != "", EmergencyPending: s.pending != "" && s.pending != r.event.Token && r.byEmergency(s.pending),
		Looked: r.found.looked && r.found.since.Equal(s.rollout().Since), Health: r.found.health, Ill: r.found.ill,
		Rollout: plan.Rollout{
			Rollout: s.rollout(), Services: r.found.services,
		},
		Others: r.seenElsewhere(),
	}
	for _, page := range book.Pages {
		if !page.Rollout.Since.IsZero() && page.Rollout.Since.Equal(s.rollout().Since) {
			s.plan.Rollout.On = page.Version
			if page.Version == s.current || page.ReplacedBy(s.current) {
				s.plan.Rollout.On, s.plan.Rollout.Here = s.current, true
				break
			}
		}
	}
	if err := r.noteMove(ctx, s); err != nil {
		return nil, err
	}
	for _, page := range book.Pages {
		if page.Torn() && page.Version != s.pending {
			s.plan.Torn = append(s.plan.Torn, page.Version)
		}
	}
	for kind, e := range book.Page(s.pending).Entries {
		if s.pending != "" && (e.State == ledger.Pending) {
			s.plan.RotatingKinds = append(s.plan.RotatingKinds, kind)
			s.plan.RotatingSince = e.At
		}
	}
	slices.Sort(s.plan.RotatingKinds)
	if page := book.Page(s.pending); len(page.Entries) > 0 && len(s.plan.RotatingKinds) == 0 {
		s.plan.Left = s.pending
	}
	if len(s.plan.RotatingKinds) > 0 {
		if s.plan.Edited, err = r.edited(ctx, s); err != nil {
			return nil, err
		}
	}
	s.plan.Kinds = make([]plan.Kind, 0, len(r.kinds))
	for _, kind := range r.kinds {
		k, found, err := r.lookAtKind(ctx, s, kind)
		if err != nil {
			return nil, err
		}
		if found {
			s.plan.Kinds = append(s.plan.Kinds, k)
		}
	}
	return s, r.knowsAll(book)
}

// edited reports whether the pending version would undo an edit.
func (r *run) edited(ctx context.Context, s *sight) (bool, error) {
	current, err := r.document(ctx, s.current)
	if err != nil {
		return false, err
	}
	pending, err := r.document(ctx, s.pending)
	if secret.IsMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = editedMeanwhile(r.named(s.plan.RotatingKinds), current, pending)
	return errors.Is(err, errEdited), nil // the steps report what cannot be compared
}

// byEmergency reports whether an emergency made a version, according to its id.
func (r *run) byEmergency(version string) bool {
	request, err := plan.RequestInToken(version, names(r.kinds))
	return err == nil && request.Emergency
}

// noteMove handles an event about a move of AWSCURRENT. A move to another version shows by
// comparing values. A move away and back leaves AWSCURRENT on a version that was current when the
// rollout began.
func (r *run) noteMove(ctx context.Context, s *sight) error {
	if !s.plan.Rollout.Here || !s.moved.After(s.plan.Rollout.Since) {
		return nil
	}
	v, err := r.read.Version(ctx, s.current)
	if err != nil {
		return err
	}
	if v.Created.Before(s.plan.Rollout.Since) {
		s.plan.Rollout.ChangedBy = s.moved
	}
	return nil
}

// knowsAll fails if a label names a kind that this function does not have.
func (r *run) knowsAll(book ledger.Book) error {
	for _, page := range book.Pages {
		for name := range page.Entries {
			if _, ok := r.kind(name); !ok && name != ledger.AllKinds {
				return fmt.Errorf("this function has no kind %q, whose value of version %s may still be accepted: configure it again until that value is retired", name, page.Version)
			}
		}
	}
	return nil
}

// errNoValue says that a version stores no credential of a kind.
var errNoValue = errors.New("it has no such credential where the settings say it is (*_POINTER)")

// valueIn is what a version stores for a kind.
func (r *run) valueIn(ctx context.Context, kind credential.Kind, id string) (credential.Value, error) {
	v, err := r.read.Version(ctx, id)
	if secret.IsMissing(err) {
		return credential.Value{}, fmt.Errorf("%w: it has no value", errNoValue)
	}
	if err != nil {
		return credential.Value{}, err
	}
	value, ok, err := kind.Value(v.Doc)
	switch {
	case err != nil:
		return credential.Value{}, fmt.Errorf("%w: %w", errNoValue, err)
	case !ok:
		return credential.Value{}, fmt.Errorf("%s: %w", kind.Name(), errNoValue)
	}
	return value, nil
}

// document is a version's.
func (r *run) document(ctx context.Context, id string) (document.Document, error) {
	v, err := r.read.Version(ctx, id)
	return v.Doc, err
}

// lookAround observes the services and the application. Once the rollout has converged, the only
// question about the services is whether they are being deployed.
func (r *run) lookAround(ctx context.Context, of ledger.Rollout) error {
	r.found.wholly = of.Open() || r.whole && !of.Since.IsZero()
	if r.services != nil {
		var services []rollout.Service
		var err error
		if r.found.wholly {
			services, err = r.services.Observe(ctx, r.event.SecretID, of.Since)
		} else {
			services, err = r.services.Deploying(ctx, of.Since)
		}
		if err != nil {
			return fmt.Errorf("look at the services: %w", err)
		}
		r.found.services = services
	}
	r.found.health, r.found.ill = r.askHealth(ctx)
	r.found.looked, r.found.since = true, of.Since
	return nil
}

// askHealth asks a few times, because a single failed answer does not make the application
// unhealthy.
func (r *run) askHealth(ctx context.Context) (state plan.Health, what string) {
	if r.health == nil {
		return plan.NotObserved, ""
	}
	attempts := healthAttempts
	if r.silent {
		attempts = 1 // a status should be quick, and decides nothing
	}
	for attempt := range attempts {
		if attempt > 0 {
			if r.clock.Wait(ctx, r.pauses.Health) != nil {
				return state, what
			}
		}
		err := r.health.Check(ctx)
		switch {
		case err == nil:
			return plan.Healthy, ""
		case errors.Is(err, rollout.ErrUnclear):
			state = plan.Unclear
		default:
			state = plan.Unhealthy
		}
		what = err.Error()
	}
	return state, what
}

// healthAttempts is how often an application is asked before it counts as unhealthy.
const healthAttempts = 3
