package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// reference.json is AWS's service authorization reference of what the template
// grants, and the policy to deploy it. A program cuts it out, and it says of what; of another action it has to
// be made anew.
//
//go:embed reference.json
var referenceText []byte

// A Reference is what AWS says of actions.
type Reference struct {
	Source   string
	Services map[string]service // by the prefix of its actions
}

type service struct {
	Actions   map[string]action
	Resources map[string]resourceType
}

// An action has, by the resource types that it may be granted for, the condition keys
// that it has with each, and those that it has in any case.
type action struct {
	Resources     map[string][]string
	ConditionKeys []string
}

type resourceType struct {
	ARN           string
	ConditionKeys []string
}

// AWSReference is the reference.
var AWSReference = sync.OnceValues(func() (Reference, error) {
	var r Reference
	err := json.Unmarshal(referenceText, &r)
	return r, err
})

// everywhere are the condition keys of every request: the page "AWS global
// condition context keys" of IAM's user guide, and, of requests by a Lambda
// function's role, the page "Using source function ARN to control function access
// behavior" of Lambda's developer guide.
var everywhere = []string{
	"aws:CalledViaLast", "aws:SourceAccount", "aws:SourceArn", "aws:SecureTransport", "aws:PrincipalIsAWSService", "lambda:SourceFunctionArn",
}

// Faults are what AWS would never match of a policy, a sentence for each: an
// action that does not exist, a resource that none of its statement's actions is
// for, an action that none of the resources is for, a condition key that an action
// does not have.
func (r Reference) Faults(p Policy) (faults []string) {
	for _, s := range p.Statements {
		faults = append(faults, r.statement(s)...)
	}
	return faults
}

func (r Reference) statement(s Statement) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, s.Sid+": "+fmt.Sprintf(format, args...)) }
	matched := map[string]bool{}
	for _, pattern := range s.Actions {
		actions := r.actions(pattern)
		if len(actions) == 0 {
			fault("there is no action %s", pattern)
		}
		for name, its := range actions {
			of := r.Services[strings.Split(name, ":")[0]].Resources
			types := its.matching(of, s.Resources, matched)
			if len(types) == 0 && !slices.Contains(s.Resources, "*") {
				fault("%s is for %q, and not for %q", name, slices.Sorted(maps.Keys(its.Resources)), s.Resources)
			}
			if len(types) == 0 { // by "*"
				types = slices.Sorted(maps.Keys(its.Resources))
			}
			for _, c := range s.Conditions {
				if !its.has(c.Key, of, types) {
					fault("%s has no condition key %s", name, c.Key)
				}
			}
		}
	}
	for _, resource := range s.Resources {
		if resource != "*" && !matched[resource] {
			fault("none of %q is for %s", s.Actions, resource)
		}
	}
	return faults
}

// actions are those that a pattern stands for, by their names with the prefix.
func (r Reference) actions(pattern string) map[string]action {
	found := map[string]action{}
	prefix, _, _ := strings.Cut(pattern, ":")
	for name, its := range r.Services[prefix].Actions {
		if full := prefix + ":" + name; full == pattern || wild(pattern) && matches(pattern, full) {
			found[full] = its
		}
	}
	return found
}

// matching are the resource types of an action that a statement's resources are of. It
// notes those resources.
func (a action) matching(types map[string]resourceType, resources []string, matched map[string]bool) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(a.Resources)) {
		form := placeholders(types[name].ARN)
		its := false
		for _, resource := range resources {
			if resource != "*" && matches(form, strings.ReplaceAll(resource, "*", "any")) {
				its, matched[resource] = true, true
			}
		}
		if its {
			found = append(found, name)
		}
	}
	return found
}

// has tells whether requests of an action, for resources of those types, have a
// condition key.
func (a action) has(key string, types map[string]resourceType, of []string) bool {
	keys := slices.Concat(everywhere, a.ConditionKeys)
	for _, name := range of {
		keys = slices.Concat(keys, a.Resources[name], types[name].ConditionKeys)
	}
	return slices.ContainsFunc(keys, func(known string) bool {
		return strings.EqualFold(known, key) || strings.Contains(known, "${") && matches(placeholders(known), key)
	})
}

// placeholders makes a pattern of what has ${Placeholders}.
func placeholders(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('*')
		_, text, _ = strings.Cut(after, "}")
	}
}
