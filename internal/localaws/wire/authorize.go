package wire

import (
	"fmt"
	"maps"
	"net/http"

	"mautic-rotation/internal/localaws/host"
)

// AccessRequest is what IAM is asked about a call: whether somebody may do something to a resource. A call that is about
// several resources makes as many of them, all of which have to be granted.
type AccessRequest struct {
	Caller   Caller
	Action   string              // "ecs:UpdateService"
	Resource string              // an ARN, or "*" where the action has none
	Context  map[string][]string // what is known of the condition keys that the action has
}

// Rule says which resources IAM is asked about for an action, and by which condition keys it can be told apart.
type Rule struct {
	Resources func(Members) []string
	Keys      func(Members) map[string][]string // nil: none
}

// Rules has a line for each action that a function may take, such as "ecs:ListTasks". They are those of AWS's Service
// Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/), one page for each
// service: the resource types that it marks as required, and of the condition keys those that the stand-in knows.
//
// Where the reference is wider than what AWS asks for, the line follows what AWS has been seen to refuse.
type Rules map[string]Rule

// Everything is what is asked for by an action that has no resource types, or whose request names no resource.
func Everything(Members) []string { return []string{"*"} }

// Authorizer stands for the role of the functions.
type Authorizer struct {
	Account host.Account
	Rules   Rules

	// Ask is asked about each call of a function, and refuses one by an error. If it is nil, everything is allowed.
	Ask func(AccessRequest) error
}

// check asks about a call of a function. Nobody else is asked about.
func (a *Authorizer) check(req Request) *Error {
	caller := req.Call.Caller
	if a.Ask == nil || caller.Function == "" {
		return nil
	}
	action := req.Call.Service + ":" + req.Call.Operation
	if action == "sts:GetCallerIdentity" {
		return nil // takes no permission, and cannot be denied
	}
	rule, known := a.Rules[action]
	if !known {
		return req.denied(fmt.Sprintf("localaws does not know what %s asks for: it lacks a line in the service's AccessRules.", action))
	}
	resources := rule.Resources(req.Members)
	if len(resources) == 0 {
		resources = Everything(req.Members)
	}
	for _, resource := range resources {
		err := a.Ask(AccessRequest{Caller: caller, Action: action, Resource: resource, Context: a.context(rule, req, resource)})
		if err != nil {
			return req.denied(fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because %s",
				IdentityOf(a.Account, caller).ARN, action, resource, err))
		}
	}
	return nil
}

// context is what is known of the condition keys of a call: the action's own, and IAM's.
func (a *Authorizer) context(rule Rule, req Request, resource string) map[string][]string {
	known := map[string][]string{
		"aws:RequestedRegion":      {a.Account.Region},
		"lambda:SourceFunctionArn": {a.Account.ARN("lambda", "function:"+req.Call.Caller.Function)}, // in all that a function's code asks for
	}
	if resource != "*" {
		known["aws:ResourceAccount"] = []string{a.Account.ID}
	}
	if rule.Keys != nil {
		maps.Copy(known, rule.Keys(req.Members))
	}
	maps.DeleteFunc(known, func(_ string, values []string) bool { return len(values) == 0 })
	return known
}

// denied is a refusal as the call's service words it.
func (r Request) denied(message string) *Error {
	if r.Query {
		return &Error{Code: "AccessDenied", Message: message, Status: http.StatusForbidden}
	}
	return &Error{Code: "AccessDeniedException", Message: message}
}
