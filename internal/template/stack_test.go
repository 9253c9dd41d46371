package template_test

import (
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"

	"mautic-rotation/internal/cloudformation"
)

// parsing is done once: rendering a template does not change it.
var parsing = sync.OnceValues(func() (*cloudformation.Template, error) {
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		return nil, err
	}
	return cloudformation.Parse(text)
})

// parse is the template, to be rendered as CloudFormation would.
func parse(t *testing.T) *cloudformation.Template {
	t.Helper()
	parsed, err := parsing()
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func arnOf(name string) string {
	return "arn:aws:secretsmanager:us-east-1:123456789012:secret:" + name + "-AbCdEf"
}

// Two ways to deploy: the stack makes the secret, or is given one.
var (
	creating = map[string]string{"CreateSecret": "true", "DatabaseHost": "db.example.com", "DatabaseName": "mautic", "DatabaseUser": "mautic"}
	given    = map[string]string{"SecretArn": arnOf("mautic-prod-secrets")}
)

// changedTo are parameters with others over them.
func changedTo(parameters, others map[string]string) map[string]string {
	all := maps.Clone(parameters)
	maps.Copy(all, others)
	return all
}

// with puts parameters together: with("A", "a", "B", "b").
func with(pairs ...string) map[string]string {
	parameters := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		parameters[pairs[i]] = pairs[i+1]
	}
	return parameters
}

// full is a deployment with every resource that the template has.
func full() map[string]string {
	parameters := changedTo(creating, with("EcsCluster", "c", "EcsService", "web", "AlarmEmail", "ops@example.com", "CreateOperatorPolicies", "true",
		"ChatNotices", "true", "NoticeBusArn", noticeBus))
	for i, name := range eachOf("SecretArn")[1:] {
		parameters[name] = arnOf(fmt.Sprint("mautic-", i+2))
	}
	return parameters
}

func render(t *testing.T, parsed *cloudformation.Template, o cloudformation.Options) *cloudformation.Stack {
	t.Helper()
	stack, err := parsed.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}
