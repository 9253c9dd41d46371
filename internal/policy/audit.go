package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Expected is what an audit cannot find out from what was recorded, and so has
// to be told.
type Expected struct {
	// Unseen are the statements for what no request shows. Each has to be in a
	// policy just as it is here; those of one Sid are what it comes to in several
	// deployments.
	Unseen []Statement

	// Wide are the resources, and values of conditions, that have a wildcard:
	// why they cannot be narrower, by "<Sid> <pattern>".
	Wide map[string]string

	// Bounds are the condition keys of statements, by Sid.
	Bounds map[string][]string

	// Managed are the ARNs of the managed policies that the role has.
	Managed []string
}

// Audit holds what was recorded against the policies, and returns what is wrong,
// a sentence for each fault. The policies are one template's, rendered for
// several deployments: what one of these has needed is not too much.
//
// It finds: a request that is refused; an action, a resource or a condition's
// value that could be taken away with every request allowed still; an action
// with a wildcard, and any other wildcard that is not expected; a condition that
// is missing or not expected; an expectation that nothing meets any more.
func Audit(records []Record, expected Expected) (faults []string) {
	a := &audit{records: records, expected: expected, needed: map[element]bool{}, met: map[string]bool{}}
	a.requests()
	for _, r := range records {
		for _, s := range r.Policy.Statements {
			a.statement(s)
		}
		a.managed(r.Policy)
	}
	a.unmet()
	slices.Sort(a.faults)
	return slices.Compact(a.faults)
}

type audit struct {
	records  []Record
	expected Expected
	needed   map[element]bool
	met      map[string]bool // what of the expectations was found
	faults   []string
}

func (a *audit) fault(format string, args ...any) {
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// requests decides about everything that was asked for.
func (a *audit) requests() {
	for _, r := range a.records {
		for _, request := range r.Requests {
			d := r.Policy.Evaluate(request)
			if !d.Allowed() {
				a.fault("refused: %s", request)
			}
			for _, e := range neededBy(d) {
				a.needed[e] = true
			}
		}
	}
}

// statement looks at a statement by itself.
func (a *audit) statement(s Statement) {
	if unseen := a.unseen(s.Sid); len(unseen) > 0 {
		if !slices.ContainsFunc(unseen, func(want Statement) bool { return reflect.DeepEqual(s, want) }) {
			a.fault("%s is for what no request shows, and is not as expected: %+v, want %+v", s.Sid, s, unseen)
		}
		a.met[fmt.Sprintf("unseen %+v", s)] = true
		return
	}
	if s.Deny {
		a.fault("%s denies: no request can show that it is needed, so that it has to be expected", s.Sid)
	}
	for _, e := range elementsOf(s) {
		if !a.needed[e] {
			a.fault("not needed: %s", e)
		}
	}
	patterns := slices.Clone(s.Resources)
	var keys []string
	for _, c := range s.Conditions {
		keys = append(keys, c.Key)
		patterns = append(patterns, c.Values...)
	}
	if want := a.expected.Bounds[s.Sid]; !slices.Equal(slices.Sorted(slices.Values(keys)), slices.Sorted(slices.Values(want))) {
		a.fault("%s has conditions on %q, want %q", s.Sid, keys, want)
	}
	a.met["bounds of "+s.Sid] = true
	for _, action := range s.Actions {
		if wild(action) {
			a.fault("%s allows %s: name the actions", s.Sid, action)
		}
	}
	for _, pattern := range patterns {
		name := s.Sid + " " + pattern
		a.met["wide "+name] = true
		if wild(pattern) && a.expected.Wide[name] == "" {
			a.fault("%s is wider than it has to be, or nobody has said why not: %s", s.Sid, pattern)
		}
	}
}

func (a *audit) unseen(sid string) (all []Statement) {
	for _, s := range a.expected.Unseen {
		if s.Sid == sid {
			all = append(all, s)
		}
	}
	return all
}

func (a *audit) managed(p Policy) {
	for _, arn := range p.Managed {
		a.met["managed "+arn] = true
		if !slices.Contains(a.expected.Managed, arn) {
			a.fault("the role has the managed policy %s, which is not looked into", arn)
		}
	}
}

// unmet finds the expectations that no policy bears out.
func (a *audit) unmet() {
	var want []string
	for _, s := range a.expected.Unseen {
		want = append(want, fmt.Sprintf("unseen %+v", s))
	}
	for _, name := range slices.Sorted(maps.Keys(a.expected.Wide)) {
		want = append(want, "wide "+name)
	}
	for _, sid := range slices.Sorted(maps.Keys(a.expected.Bounds)) {
		want = append(want, "bounds of "+sid)
	}
	for _, arn := range a.expected.Managed {
		want = append(want, "managed "+arn)
	}
	for _, name := range want {
		if !a.met[name] {
			a.fault("expected, and in no policy: %s", name)
		}
	}
}
