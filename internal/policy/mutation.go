package policy

import (
	"fmt"
	"slices"
	"strings"
)

// A Mutation is a mistake that somebody could make in a template.
type Mutation struct {
	Name  string
	apply func(Policy) Policy
}

// Apply makes the mistake in the policies of all records; what was asked for is
// the same.
func (m Mutation) Apply(records []Record) []Record {
	mutated := slices.Clone(records)
	for i := range mutated {
		mutated[i].Policy = m.apply(mutated[i].Policy)
	}
	return mutated
}

// Mutations are the mistakes that an audit has to find: an action, a condition or
// a whole statement left out, one of the actions added to a statement, a
// resource made wider.
func Mutations(records []Record, actions []string) []Mutation {
	m := &mutations{seen: map[string]bool{}}
	for _, r := range records {
		for _, s := range r.Policy.Statements {
			m.leavingOut(s)
			for _, action := range actions {
				if !slices.Contains(s.Actions, action) {
					m.edit(s.Sid, "with "+action, func(s *Statement) { s.Actions = append(s.Actions, action) })
				}
			}
			for _, resource := range s.Resources {
				m.widening(s.Sid, resource)
			}
		}
	}
	return m.list
}

type mutations struct {
	list []Mutation
	seen map[string]bool
}

func (m *mutations) add(name string, apply func(Policy) Policy) {
	if !m.seen[name] {
		m.seen[name] = true
		m.list = append(m.list, Mutation{name, apply})
	}
}

func (m *mutations) edit(sid, what string, change func(*Statement)) {
	m.add(sid+" "+what, func(p Policy) Policy { return edited(p, sid, change) })
}

func (m *mutations) leavingOut(s Statement) {
	m.add("without "+s.Sid, func(p Policy) Policy {
		p.Statements = slices.DeleteFunc(slices.Clone(p.Statements), func(one Statement) bool { return one.Sid == s.Sid })
		return p
	})
	for _, action := range s.Actions {
		m.edit(s.Sid, "without "+action, func(s *Statement) {
			s.Actions = slices.DeleteFunc(s.Actions, func(one string) bool { return one == action })
		})
	}
	for _, c := range s.Conditions {
		m.edit(s.Sid, "without the condition on "+c.Key, func(s *Statement) {
			s.Conditions = slices.DeleteFunc(s.Conditions, func(one Condition) bool { return one.Key == c.Key })
		})
	}
}

// widening replaces a resource by wider ones: by everything, by one that is open
// at the end, and by those with any account, any region and any name.
func (m *mutations) widening(sid, resource string) {
	wider := []string{"*", resource + "*"}
	parts := strings.SplitN(resource, ":", 6)
	for i := 3; i < len(parts); i++ {
		open := slices.Clone(parts)
		open[i] = "*"
		wider = append(wider, strings.Join(open, ":"))
	}
	if slash := strings.LastIndexAny(resource, "/:"); slash >= 0 {
		wider = append(wider, resource[:slash+1]+"*")
	}
	for _, pattern := range wider {
		if resource == "*" || pattern == resource {
			continue
		}
		m.edit(sid, fmt.Sprintf("with %s for %s", pattern, resource), func(s *Statement) {
			if i := slices.Index(s.Resources, resource); i >= 0 {
				s.Resources[i] = pattern
			}
		})
	}
}

// edited is a copy of the policy with one of its statements changed.
func edited(p Policy, sid string, change func(*Statement)) Policy {
	p.Statements = slices.Clone(p.Statements)
	for i := range p.Statements {
		if s := &p.Statements[i]; s.Sid == sid {
			s.Actions, s.Resources, s.Conditions = slices.Clone(s.Actions), slices.Clone(s.Resources), slices.Clone(s.Conditions)
			change(s)
		}
	}
	return p
}
