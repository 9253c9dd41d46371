package policy

import "fmt"

// An element is a part of a policy that could be left out.
type element struct {
	sid, kind string // kind is "action", "resource", or the operator and key of a condition
	text      string
}

func (e element) String() string { return fmt.Sprintf("%s of %s: %s", e.kind, e.sid, e.text) }

// elementsOf are all parts of a statement.
func elementsOf(s Statement) []element {
	all := elements(nil, s.Sid, "action", s.Actions)
	all = elements(all, s.Sid, "resource", s.Resources)
	for _, c := range s.Conditions {
		all = elements(all, s.Sid, c.name(), c.Values)
	}
	return all
}

func elements(all []element, sid, kind string, texts []string) []element {
	for _, text := range texts {
		all = append(all, element{sid, kind, text})
	}
	return all
}

// neededBy are the parts without which a decision would have been a refusal:
// where a single statement allows the request, its only action that matches, its
// only resource, and the only values of its conditions.
func neededBy(d Decision) (needed []element) {
	if !d.Allowed() || len(d.Grants) > 1 {
		return nil
	}
	g := d.Grants[0]
	only := func(kind string, matching []string) {
		if len(matching) == 1 {
			needed = elements(needed, g.Sid, kind, matching)
		}
	}
	only("action", g.Actions)
	only("resource", g.Resources)
	for name, values := range g.Values {
		only(name, values)
	}
	return needed
}
