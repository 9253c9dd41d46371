package rotation

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
	"mautic-rotation/rotation/secret"
)

// The answer of an invocation: what it has seen, and what was decided, in the types of package
// report. It makes no call.

// nothingFound is the answer of a secret that was not looked at.
func nothingFound(arn string) report.Secret {
	return report.Secret{
		ARN: arn, Name: SecretName(arn), Credentials: []report.Credential{}, Labels: []report.Label{}, Checks: []report.Check{},
		Changed: []report.Entry{}, Notices: []string{}, Waiting: []report.Entry{}, Needs: []report.Entry{}, Back: []string{},
	}
}

// answer is what is known of the secret, and what is to be done next, as decided on s. s may be
// nil: nothing was read.
func (r *run) answer(s *sight, actions []plan.Action) report.Secret {
	found := nothingFound(r.event.SecretID)
	if s == nil {
		return found
	}
	found.At = s.m.At
	found.Labels = r.labelsFound(s)
	found.Schedule = s.scheduleFound()
	found.Rotation = r.rotationFound(s)
	found.Rollout = r.rolloutFound(s)
	found.Credentials = r.credentialsFound(s, actions)
	found.Possible = r.possible(s)
	found.Back = r.back(s)
	for _, a := range actions {
		e := report.Entry{Kind: a.Kind, Version: a.Version, Service: a.Service, Text: a.Why, Remedy: a.Remedy, Until: instant(a.Until)}
		switch a.Do {
		case plan.Alarm:
			found.Needs = append(found.Needs, e)
		case plan.Wait:
			found.Waiting = append(found.Waiting, e)
		default: // the next reconcile does it
			e.What = string(a.Do)
			found.Waiting = append(found.Waiting, e)
		}
	}
	if p := s.pause(); p.Unread != "" {
		found.Needs = append(found.Needs, report.Entry{Text: p.Why(), Remedy: p.Remedy()})
	}
	return found
}

// possible lists the operator's actions that would do something now.
func (r *run) possible(s *sight) []string {
	list := []string{}
	if len(r.released(s, slog.New(slog.DiscardHandler))) > 0 {
		list = append(list, "release")
	}
	if s.pending != "" {
		list = append(list, "abandon")
	}
	if _, err := plan.AskedToRollBack(s.plan); err == nil {
		list = append(list, "roll-back")
	}
	return list
}

// back lists the versions that AWSCURRENT can be moved back to by hand: AWSPREVIOUS first, then
// the newer ones first. It leaves out versions that were not read.
func (r *run) back(s *sight) []string {
	list := []string{}
	current, read := r.read.Seen(s.current)
	if !read {
		return list
	}
	created := map[string]time.Time{}
	for id := range s.m.Labels {
		v, read := r.read.Seen(id)
		if !read || id == s.current || id == s.pending || v.Doc.Raw() == current.Doc.Raw() {
			continue
		}
		if !slices.ContainsFunc(r.kinds, func(kind credential.Kind) bool { return !r.returns(s, kind, current, v) }) {
			list, created[id] = append(list, id), v.Created
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(s.rank(a)-s.rank(b), created[b].Compare(created[a]), strings.Compare(a, b))
	})
	return list
}

// returns reports whether, after moving AWSCURRENT to another version, a kind has a value that
// its target accepts. It does if that version stores AWSCURRENT's own value.
func (r *run) returns(s *sight, kind credential.Kind, current, to secret.Version) bool {
	now, has, errNow := kind.Value(current.Doc)
	then, had, err := kind.Value(to.Doc)
	switch {
	case err != nil:
		return false
	case errNow == nil && has == had && now == then:
		return true
	}
	k := s.kind(kind.Name())
	return had && slices.ContainsFunc(k.Old, func(old plan.Value) bool {
		v, read := r.read.Seen(old.Version)
		if !read || !k.MayReturn(old) {
			return false
		}
		value, has, err := kind.Value(v.Doc)
		return err == nil && has && value == then
	})
}

// instant is a time for a report; zero means none.
func instant(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// pause is the operator's pause of the schedule.
func (s *sight) pause() plan.Pause {
	value, tagged := s.m.Tags[plan.PauseTag]
	return plan.ReadPause(value, tagged, s.m.At)
}

func (s *sight) scheduleFound() *report.Schedule {
	of, pause := s.m.Schedule, s.pause()
	found := &report.Schedule{
		Enabled: s.m.RotationEnabled, Expression: of.Expression, Window: of.Window, Last: instant(of.Last), Next: instant(of.Next),
		Paused: pause.On, PausedUntil: instant(pause.Until), HeldOff: s.heldOff(),
	}
	if found.Expression == "" && of.Days > 0 {
		found.Expression = fmt.Sprintf("rate(%d days)", of.Days)
	}
	return found
}

// rotationFound is the rotation in progress; nil: there is none.
func (r *run) rotationFound(s *sight) *report.Rotation {
	if s.pending == "" {
		return nil
	}
	found := &report.Rotation{Version: s.pending, Emergency: r.byEmergency(s.pending)}
	entries := s.book.Page(s.pending).Entries
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if e := entries[name]; e.State == ledger.Pending {
			found.Kinds, found.Since = append(found.Kinds, name), instant(e.At)
		}
	}
	if found.Kinds == nil && len(entries) > 0 {
		return nil // it was promoted, and AWSCURRENT was moved away from it
	}
	return found
}

func (r *run) rolloutFound(s *sight) *report.Rollout {
	of := s.rollout()
	if of.Since.IsZero() {
		return nil
	}
	found := &report.Rollout{
		Since: of.Since, Converged: instant(of.Converged), Unhealthy: instant(of.Unhealthy), Deadline: instant(s.plan.Deadline()),
		Promoted: of.Promoted, RolledBack: of.RolledBack, Emergency: of.Emergency, Services: []report.Service{},
	}
	if !r.found.looked || !r.found.since.Equal(of.Since) {
		return found
	}
	found.Health, found.Ill = string(r.found.health), r.found.ill
	if !r.found.wholly {
		return found
	}
	for _, service := range r.found.services {
		found.Services = append(found.Services, report.Service{
			Name: service.Name, Desired: service.Desired, Fresh: service.Fresh, Older: service.Older,
			Deploying: service.Deploying, Failed: service.Failed, Missing: service.Missing,
		})
	}
	return found
}

// credentialsFound are the kinds in AWSCURRENT, as far as its document could be read.
func (r *run) credentialsFound(s *sight, actions []plan.Action) []report.Credential {
	list := []report.Credential{}
	current, read := r.read.Seen(s.current)
	if !read {
		return list
	}
	type one struct {
		kind    credential.Kind
		problem string
	}
	var present []one
	for _, kind := range r.kinds {
		fields, err := kind.Fields(current.Doc)
		k := s.kind(kind.Name())
		switch {
		case err != nil:
			present = append(present, one{kind, err.Error()})
		case k.Lost != "":
			present = append(present, one{kind, k.Lost})
		case len(fields) == 0:
		default:
			problem := ""
			if _, _, err := kind.Value(current.Doc); err != nil {
				problem = err.Error()
			}
			present = append(present, one{kind, problem})
		}
	}
	for _, p := range present {
		found := r.credentialFound(s, current, p.kind, actions, len(present) == 1)
		found.Problem = p.problem
		list = append(list, found)
	}
	return list
}

// credentialFound is one of them; only: the secret has no other.
func (r *run) credentialFound(s *sight, current secret.Version, kind credential.Kind, actions []plan.Action, only bool) report.Credential {
	name := kind.Name()
	found := report.Credential{Kind: name, Version: s.current, Old: []report.Old{}}
	found.RotatedAt, found.From = ageOf(current, name)
	if s.m.RotationEnabled {
		schedule := plan.Schedule(s.m.Schedule)
		every := r.every[name]
		eachTime := only && !r.byRhythm()
		if eachTime {
			every = schedule.Rhythm()
		}
		found.EverySeconds = int64(every / time.Second)
		if pause := s.pause(); !pause.On || !pause.Until.IsZero() {
			found.Due = instant(schedule.Due(lastRotated(current.Doc, []string{name})[name], every, eachTime, pause.Until))
		}
		if found.Due != nil && !found.RotatedAt.IsZero() {
			found.GreatestAgeSeconds = int64(found.Due.Sub(found.RotatedAt) / time.Second)
		}
	}
	k := s.kind(name)
	wanted := k.Wanted.Entry
	if wanted.State == "" {
		wanted = s.page().Entries[name] // nothing was decided, since nothing is open
	}
	found.State, found.StateSince = string(wanted.State), instant(wanted.At)
	for _, old := range k.Old {
		found.Old = append(found.Old, r.oldFound(s, k, old, actions))
	}
	return found
}

// ageOf is when a kind's value was made, and where that is recorded.
func ageOf(current secret.Version, kind string) (at time.Time, from string) {
	if at, known := lastRotated(current.Doc, []string{kind})[kind]; known {
		return at.UTC(), "rotated_at"
	}
	return current.Created.UTC(), "version"
}

// kind is what was seen of a kind. If nothing is open, that is only the values remembered as
// rolled back.
func (s *sight) kind(name string) plan.Kind {
	if at := slices.IndexFunc(s.plan.Kinds, func(k plan.Kind) bool { return k.Name == name }); at >= 0 {
		return s.plan.Kinds[at]
	}
	k := plan.Kind{Name: name}
	for _, page := range s.book.Pages {
		// If nothing is open there are no others. If not everything could be read, these come
		// from the labels alone.
		open := page.Version != s.current && page.Version != s.pending && page.Entries[name].State.Live()
		if e := page.Entries[name]; e.State == ledger.Failed || open {
			k.Old = append(k.Old, plan.Value{Version: page.Version, Entry: e})
		}
	}
	return k
}

func (r *run) oldFound(s *sight, k plan.Kind, old plan.Value, actions []plan.Action) report.Old {
	e := old.Entry
	found := report.Old{Version: old.Version, State: string(e.State), Since: instant(e.At)}
	if _, overlaps := r.retirer(k.Name); overlaps && !k.Swaps && old.MayBeAccepted() {
		found.AcceptedSince = instant(r.acceptedSince(s, k.Name, old.Version))
	}
	next := nextFor(k.Name, old.Version, actions)
	if e.State == ledger.Failed && next.Why == "" {
		// Nothing is open, so nothing was decided.
		next = nextFor(k.Name, old.Version, plan.Decide(plan.Observation{Now: s.m.At, Kinds: []plan.Kind{{Name: k.Name, Old: []plan.Value{old}}}}))
	}
	if next.Why == "" {
		next.Why = "not all of the secret could be read"
	}
	found.Next, found.Why, found.Until, found.Remedy = string(next.Do), next.Why, instant(next.Until), next.Remedy
	return found
}

// nextFor is what happens to a value next: what was decided about it, or otherwise what has to
// come first, for its kind or for the secret.
func nextFor(kind, version string, actions []plan.Action) plan.Action {
	for _, is := range []func(plan.Action) bool{
		func(a plan.Action) bool { return a.Kind == kind && a.Version == version },
		func(a plan.Action) bool { return a.Kind == kind },
		func(a plan.Action) bool { return a.Kind == "" && !a.Idle() },
		func(a plan.Action) bool { return a.Kind == "" },
	} {
		if at := slices.IndexFunc(actions, is); at >= 0 {
			return actions[at]
		}
	}
	return plan.Action{Do: plan.Wait}
}

// labelsFound are the labels of all versions; each version's AWS labels come first.
func (r *run) labelsFound(s *sight) []report.Label {
	list := []report.Label{}
	ids := slices.SortedFunc(maps.Keys(s.m.Labels), func(a, b string) int {
		if first, second := s.rank(a), s.rank(b); first != second {
			return first - second
		}
		return strings.Compare(a, b)
	})
	for _, id := range ids {
		var created *time.Time
		if v, read := r.read.Seen(id); read {
			created = instant(v.Created)
		}
		for _, label := range slices.Sorted(slices.Values(s.m.Labels[id])) {
			book, err := ledger.Read(map[string][]string{id: {label}})
			own := err == nil && len(book.Pages) > 0 || slices.Contains([]string{secret.Current, secret.Pending, secret.Previous}, label)
			list = append(list, report.Label{Version: id, Created: created, Label: label, Means: s.means(id, label, book, err), Own: own})
		}
	}
	return list
}

// rank orders versions: AWSCURRENT, AWSPENDING, AWSPREVIOUS, and the others.
func (s *sight) rank(id string) int {
	aws := []string{secret.Current, secret.Pending, secret.Previous}
	for i, label := range aws {
		if slices.Contains(s.m.Labels[id], label) {
			return i
		}
	}
	return len(aws)
}

// What a state means on another version than usual.
const (
	meansGivenUp    = "the rotation was given up, and the value is retired next"
	meansOld        = "tasks read it at start, and it has been old since AWSCURRENT's rollout began"
	meansNotCarried = "the emergency was not carried out"
	meansToSet      = "its target, which accepts only one value, is given it next"
	meansUnseen     = "AWSCURRENT stores it, and its target has not been seen to accept it yet"
	meansReplaced   = "its target accepts only the newer value; this one is kept so that it can be set again"
)

// means explains a label of this function's in words; "" for any other label. book and err are
// what was read of it.
func (s *sight) means(version, label string, book ledger.Book, err error) string {
	if request, _ := plan.RequestLabel(map[string][]string{version: {label}}); request != "" {
		return "the next rotation follows these words, and removes the label"
	}
	if err != nil {
		return "this function cannot understand it"
	}
	if len(book.Pages) == 0 {
		return ""
	}
	page := book.Pages[0]
	var parts []string
	for _, name := range page.Kinds() {
		e := page.Entries[name]
		text := name + ": " + s.meaning(version, name, e.State)
		if !e.At.IsZero() {
			text += " (since " + e.At.Format(time.RFC3339) + ")"
		}
		parts = append(parts, text)
	}
	if of := page.Rollout; !of.Since.IsZero() {
		text := "tasks are being replaced since " + of.Since.Format(time.RFC3339)
		if !of.Open() {
			text = "every task was new, and the application healthy, at " + of.Converged.Format(time.RFC3339)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func (s *sight) meaning(version, kind string, state ledger.State) string {
	switch {
	case state == ledger.Pending && version != s.current && version != s.pending:
		return meansGivenUp
	case state == ledger.Proven && version != s.current && s.kind(kind).Restarts:
		return meansOld
	case state == ledger.Revoking && version == s.current:
		return meansNotCarried
	case state == ledger.GivenUp && version == s.current && s.isSingle(kind):
		return meansToSet
	case state == ledger.GivenUp && version == s.current:
		return meansUnseen
	case state == ledger.Old && s.isSingle(kind):
		return meansReplaced
	}
	return state.Means()
}

// isSingle reports whether a kind's target is known to accept one value at a time.
func (s *sight) isSingle(kind string) bool {
	return slices.ContainsFunc(s.plan.Kinds, func(k plan.Kind) bool { return k.Name == kind && k.Single() })
}
