package localaws

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// AccessRequest is what IAM is asked about a call: whether somebody may do something to a resource. A call that is about
// several resources makes as many of them, all of which have to be granted.
type AccessRequest struct {
	Caller   Caller
	Action   string              // "ecs:UpdateService"
	Resource string              // an ARN, or "*" where the action has none
	Context  map[string][]string // what is known of the condition keys that the action has
}

// accessRule says what an action is asked for, and by which condition keys it can be told apart.
type accessRule struct {
	resources func(*Server, members) []string
	keys      func(*Server, members) map[string][]string // nil: none
}

// accessRules has a line for each action that a function may take. They are those of AWS's Service Authorization
// Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/), one page for each service: the
// resource types that it marks as required, and of the condition keys those that the stand-in knows.
//
// Where the reference is wider than what AWS asks for, the line follows what AWS has been seen to refuse: ListTasks has
// the container instance for its type, but asks for * where the request names none
// (https://github.com/cdklabs/construct-hub/pull/1207); a description of all databases asks for db:* to the letter,
// which a policy for one database does not allow (https://github.com/awslabs/pireporter/issues/8).
var accessRules = map[string]accessRule{
	"secretsmanager:CancelRotateSecret":       {secretNamed, secretKeys()},
	"secretsmanager:DeleteSecret":             {secretNamed, secretKeys()},
	"secretsmanager:DescribeSecret":           {secretNamed, secretKeys()},
	"secretsmanager:GetRandomPassword":        {everything, nil},
	"secretsmanager:GetSecretValue":           {secretNamed, secretKeys("VersionId", "VersionStage")},
	"secretsmanager:ListSecrets":              {everything, nil},
	"secretsmanager:ListSecretVersionIds":     {secretNamed, secretKeys()},
	"secretsmanager:PutSecretValue":           {secretNamed, secretKeys()},
	"secretsmanager:RestoreSecret":            {secretNamed, secretKeys()},
	"secretsmanager:RotateSecret":             {secretNamed, secretKeys("RotationLambdaARN")},
	"secretsmanager:TagResource":              {secretNamed, secretKeys()},
	"secretsmanager:UntagResource":            {secretNamed, secretKeys()},
	"secretsmanager:UpdateSecret":             {secretNamed, secretKeys("Description", "KmsKeyId")},
	"secretsmanager:UpdateSecretVersionStage": {secretNamed, secretKeys("VersionStage")},

	"ecs:DescribeServices":       {inCluster("service", "services"), clusterKey},
	"ecs:DescribeTaskDefinition": {everything, nil},
	"ecs:DescribeTasks":          {inCluster("task", "tasks"), clusterKey},
	"ecs:ListServices":           {everything, clusterKey},
	"ecs:ListTasks":              {everything, clusterKey},
	"ecs:UpdateService":          {inCluster("service", "service"), clusterKey},

	"rds:DescribeDBClusters":  {database("cluster", dbClusterIdentifier), nil},
	"rds:DescribeDBInstances": {database("db", dbInstanceIdentifier), nil},
	"rds:ModifyDBCluster":     {database("cluster", dbClusterIdentifier), nil},
	"rds:ModifyDBInstance":    {database("db", dbInstanceIdentifier), nil},

	"iam:CreateAccessKey":          {user, nil},
	"iam:DeleteAccessKey":          {user, nil},
	"iam:GetAccessKeyLastUsed":     {user, nil},
	"iam:GetUser":                  {user, nil},
	"iam:ListAccessKeys":           {user, nil},
	"iam:ListAttachedUserPolicies": {user, nil},
	"iam:ListUserTags":             {user, nil},
	"iam:UpdateAccessKey":          {user, nil},
}

// AuthorizedActions are the actions that a function can be allowed or refused.
func AuthorizedActions() []string {
	return slices.Sorted(maps.Keys(accessRules))
}

// everything is what is asked for by an action that has no resource types, or whose request names no resource.
func everything(*Server, members) []string { return []string{"*"} }

// secretNamed is the secret that the request is about. One that is not there is asked for as the request writes it.
func secretNamed(s *Server, m members) []string {
	id := m.first("SecretId")
	if found, ok := s.secrets.peek(id); ok {
		return []string{found.arn}
	}
	return []string{id}
}

// secretKeys are the keys that each action on a secret has, and besides those that repeat a member of the request.
func secretKeys(repeated ...string) func(*Server, members) map[string][]string {
	return func(s *Server, m members) map[string][]string {
		keys := map[string][]string{"secretsmanager:SecretId": m["SecretId"]}
		if found, ok := s.secrets.peek(m.first("SecretId")); ok {
			// Set for good once rotation has been configured, whether or not it is on.
			if found.rotation.function != "" {
				keys["secretsmanager:resource/AllowRotationLambdaArn"] = []string{found.rotation.function}
			}
			keys["secretsmanager:SecretPrimaryRegion"] = []string{cmp.Or(found.primaryRegion, s.opts.Region)}
		}
		for _, name := range repeated {
			keys["secretsmanager:"+name] = m[name]
		}
		return keys
	}
}

// inCluster are the things of a kind that a member of the request names, all of the request's cluster.
func inCluster(kind, member string) func(*Server, members) []string {
	return func(s *Server, m members) (arns []string) {
		for _, id := range m[member] {
			arns = append(arns, s.arn("ecs", kind+"/"+clusterNamed(m)+"/"+lastPart(id)))
		}
		return arns
	}
}

func clusterKey(s *Server, m members) map[string][]string {
	return map[string][]string{"ecs:cluster": {s.ecs.clusterARN(clusterNamed(m))}}
}

func clusterNamed(m members) string { return cmp.Or(lastPart(m.first("cluster")), "default") }

// database is the instance or the cluster that a member of the request names. Without a name it is *, to the letter.
func database(kind, member string) func(*Server, members) []string {
	return func(s *Server, m members) []string {
		return []string{s.arn("rds", kind+":"+cmp.Or(strings.ToLower(m.first(member)), "*"))}
	}
}

// user is the IAM user that the request names, or whose key it names. Of a key that nobody has it is *.
func user(s *Server, m members) []string {
	name := m.first(userName)
	if name == "" {
		name = s.keyUser(m.first(accessKeyIDParameter))
	}
	if name == "" {
		return everything(s, m)
	}
	return []string{cmp.Or(s.IAMUserARN(name), fmt.Sprintf("arn:aws:iam::%s:user/%s", s.opts.AccountID, name))}
}

// authorize asks [Options.Authorize] about a call of a function. Nobody else is asked about.
func (s *Server) authorize(req request) *Error {
	caller := req.call.Caller
	if s.opts.Authorize == nil || caller.Function == "" {
		return nil
	}
	action := req.call.Service + ":" + req.call.Operation
	rule, known := accessRules[action]
	if !known {
		return req.denied(fmt.Sprintf("localaws does not know what %s asks for: it lacks a line in accessRules.", action))
	}
	resources := rule.resources(s, req.members)
	if len(resources) == 0 {
		resources = everything(s, req.members)
	}
	for _, resource := range resources {
		err := s.opts.Authorize(AccessRequest{Caller: caller, Action: action, Resource: resource, Context: s.context(rule, req, resource)})
		if err != nil {
			return req.denied(fmt.Sprintf("User: arn:aws:sts::%s:assumed-role/%s/%s is not authorized to perform: %s on resource: %s because %s",
				s.opts.AccountID, caller.Function, caller.Function, action, resource, err))
		}
	}
	return nil
}

// context is what is known of the condition keys of a call: the action's own, and IAM's.
func (s *Server) context(rule accessRule, req request, resource string) map[string][]string {
	known := map[string][]string{
		"aws:RequestedRegion":      {s.opts.Region},
		"lambda:SourceFunctionArn": {s.arn("lambda", "function:"+req.call.Caller.Function)}, // in all that a function's code asks for
	}
	if resource != "*" {
		known["aws:ResourceAccount"] = []string{s.opts.AccountID}
	}
	if rule.keys != nil {
		maps.Copy(known, rule.keys(s, req.members))
	}
	maps.DeleteFunc(known, func(_ string, values []string) bool { return len(values) == 0 })
	return known
}

// denied is a refusal as the call's service words it.
func (r request) denied(message string) *Error {
	if r.query {
		return &Error{Code: "AccessDenied", Message: message, Status: http.StatusForbidden}
	}
	return &Error{Code: "AccessDeniedException", Message: message}
}
