package template_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/template"
)

// reading is done once: all tests look at the same template, and none changes it.
var reading = sync.OnceValues(func() (template.Template, error) { return template.Read("../../template.yaml") })

func read(t *testing.T) template.Template {
	t.Helper()
	read, err := reading()
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestEveryParameterIsUsedDescribedAndInOneGroup(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	used, _ := template.Names([]template.Value{tpl.Conditions, tpl.Resources, tpl.Outputs})
	// These are for a rule alone: it holds the one against SecretArn, which is what
	// the resources go by, and refuses the other.
	for _, name := range []string{"CreateSecret", "SecretName"} {
		inRules, _ := template.Names(tpl.Rules)
		used[name] = inRules[name]
	}
	grouped := map[string]int{}
	groups, _ := tpl.Metadata.At("AWS::CloudFormation::Interface")["ParameterGroups"].([]template.Value)
	for _, group := range groups {
		members, _ := group.(template.Map)["Parameters"].([]template.Value)
		for _, name := range members {
			grouped[name.(string)]++
		}
	}
	for _, name := range tpl.Parameters.Keys() {
		if !used[name] {
			t.Errorf("%s is not used", name)
		}
		if tpl.Parameters.At(name).Text("Description") == "" {
			t.Errorf("%s is not described", name)
		}
		if grouped[name] != 1 {
			t.Errorf("%s is in %d groups", name, grouped[name])
		}
		delete(grouped, name)
	}
	if len(grouped) > 0 || len(groups) == 0 {
		t.Errorf("%d groups, with parameters that are not there: %v", len(groups), grouped)
	}
}

func TestEveryParameterIsCheckedAndTakesItsOwnDefault(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	for _, name := range tpl.Parameters.Keys() {
		p := tpl.Parameters.At(name)
		if _, ok := p["Default"]; !ok {
			t.Errorf("%s has no default", name)
		}
		if why := refused(p, p.Text("Default")); why != "" {
			t.Errorf("%s refuses its own default: %s", name, why)
		}
		if p["AllowedPattern"] != nil && p.Text("ConstraintDescription") == "" {
			t.Errorf("%s does not say what it has to be", name)
		}
		if p["AllowedPattern"] == nil && p["AllowedValues"] == nil && p["MaxValue"] == nil && p["MaxLength"] == nil {
			t.Errorf("%s takes anything", name)
		}
	}
}

// compiled are the patterns, by their text: a parameter's is held against many
// values, and compiling it takes longer than that.
var compiled sync.Map // of *regexp.Regexp

func matches(pattern, text string) bool {
	known, ok := compiled.Load(pattern)
	if !ok {
		known, _ = compiled.LoadOrStore(pattern, regexp.MustCompile(pattern))
	}
	return known.(*regexp.Regexp).MatchString(text)
}

// refused tells why a parameter does not take a value.
func refused(p template.Map, text string) string {
	if pattern := p.Text("AllowedPattern"); pattern != "" && !matches(pattern, text) {
		return strconv.Quote(text) + " is not " + pattern
	}
	if allowed, ok := p["AllowedValues"].([]template.Value); ok &&
		!slices.ContainsFunc(allowed, func(v template.Value) bool { return template.Map{"": v}.Text("") == text }) {
		return strconv.Quote(text) + " is not one of the values"
	}
	if p.Text("Type") != "Number" {
		return ""
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return err.Error()
	}
	for bound, wrong := range map[string]func(bound int) bool{
		"MinValue": func(least int) bool { return n < least },
		"MaxValue": func(most int) bool { return n > most },
	} {
		if limit, ok := p[bound].(int); ok && wrong(limit) {
			return text + " is outside of " + bound
		}
	}
	return ""
}

func TestThePatternsTakeWhatIsMeantAndNothingElse(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	for name, values := range map[string]map[string]bool{
		"SecretArn": {
			"arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf":       true,
			"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a/b+c=d.e@f_g-AbCdEf":         true,
			"arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:mautic-AbCdEf":         true,
			"arn:aws-eusc:secretsmanager:eusc-de-east-1:123456789012:secret:mautic-AbCdEf":          true,
			"arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-2f1d5b1e-8a90-4b7d-AbCdEf": false,
			"mautic-prod-secrets": false, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*": false,
		},
		"DatabaseAdminSecretArn": {
			"arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-admin-AbCdEf":         true,
			"arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-2f1d5b1e-8a90-4b7d-AbCdEf": true,
			"rds!db-2f1d5b1e-8a90-4b7d": false, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!*": false,
		},
		"DatabaseSecretArn": {
			"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:rds!cluster-2f1d5b1e-AbCdEf": true,
			"arn:aws:secretsmanager:eu-west-1:123456789012:secret:a b-AbCdEf":                      false,
		},
		"DatabaseEveryDays": {"1": true, "90": true, "999": true, "0": false, "1000": false, "1.0": false, "1.5": false, "1e2": false, "01": false, "": false},
		"DatabasePort":      {"": true, "1": true, "3306": true, "9999": true, "10000": true, "65535": true, "0": false, "65536": false, "70000": false, "99999": false, "013": false},
		"SmtpRegion":        {"": true, "eu-west-1": true, "us-gov-west-1": true, "eusc-de-east-1": true, "Ireland": false},
		"RotateKinds":       {"database,api,admin,webhook,smtp": true, "database, api": false, "all": false, "": false},
		"SecretKeyArns":     {"arn:aws:kms:eu-west-1:123456789012:key/mrk-1234": true, "alias/mine": false, "arn:aws:kms:eu-west-1:123456789012:key/*": false},
		"EcsService":        {"mautic-prod-web": true, "*": false, "arn:aws:ecs:eu-west-1:123456789012:service/c/s": false},
		"EcsCluster":        {"mautic_prod-1": true, "c/*": false},
		"SmtpIamUser":       {"mautic-smtp": true, "*": false, "a/b": false}, "SmtpIamUserPath": {"/ses/": true, "/a/b/": true, "ses": false, "/*/": false},
		"DatabaseInstance": {"mautic-prod": true, "Mautic-Prod": false, "*": false}, "FunctionName": {"mautic-rotation-prod": true, "mautic_rotation": true, "a*": false, "": false},
		"NoticeBusArn": {
			"arn:aws:events:eu-west-1:123456789012:event-bus/central": true, "arn:aws-cn:events:cn-north-1:123456789012:event-bus/default": true,
			"arn:aws:events:eu-west-1:123456789012:event-bus/*": false, "central": false,
		},
		"SubnetIds": {"subnet-0a,subnet-0b": true, "subnet-0a, subnet-0b": false}, "DatabaseHost": {`a"`: false, "db.example.com": true},
		"DatabaseUser": {"mautic": true, `a", "b": "c`: false}, "AlarmEmail": {"ops@example.com": true, "ops": false},
	} {
		for text, good := range values {
			if why := refused(tpl.Parameters.At(name), text); (why == "") != good {
				t.Errorf("%s: %q: taken is %v", name, text, why == "")
			}
		}
	}
}

func TestEveryConditionIsThereAndUsed(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	_, used := template.Names([]template.Value{tpl.Resources, tpl.Outputs})
	if got := slices.Sorted(maps.Keys(used)); !slices.Equal(got, tpl.Conditions.Keys()) {
		t.Errorf("used are\n%q, there are\n%q", got, tpl.Conditions.Keys())
	}
}

// statements are those of every policy of a resource, by their Sid.
func statements(t *testing.T, resource template.Value) map[string]template.Map {
	t.Helper()
	found := map[string]template.Map{}
	template.Walk(resource, func(m template.Map) {
		if m["Effect"] == nil {
			return
		}
		sid := m.Text("Sid")
		if sid == "" || found[sid] != nil {
			t.Errorf("a statement's Sid is missing or taken: %v", m)
		}
		found[sid] = m
	})
	return found
}

func TestEveryStatementHasASidOfItsOwn(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	for name, least := range map[string]int{"RotationRole": 19, "TopicKey": 4, "TopicPolicy": 3, "ChatTopicPolicy": 2, "NoticeBusRole": 2, "OperatorReadPolicy": 5, "OperatorRotatePolicy": 3} {
		if n := len(statements(t, tpl.Resources[name])); n < least {
			t.Errorf("%s has %d statements", name, n)
		}
	}
}

func TestTheRoleMayDoNothingToResourcesThatItDoesNotName(t *testing.T) {
	t.Parallel()
	// Those whose actions have no resource type, or that AWS wants so.
	everything := []string{"AttachToNetwork", "DescribeTaskDefinitions", "ListTasks", "NoEventsByTheCode", "NotByTheCode", "Trace"}
	for sid, s := range statements(t, read(t).Resources["RotationRole"]) {
		actions, err := json.Marshal(s["Action"])
		if err != nil || strings.Contains(string(actions), "*") {
			t.Errorf("%s: actions %s, %v", sid, actions, err)
		}
		if s["Resource"] == "*" != slices.Contains(everything, sid) {
			t.Errorf("%s is for %v", sid, s["Resource"])
		}
	}
}

func TestEveryAlarmSaysSoSomewhere(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	for name, resource := range tpl.Resources {
		if p := resource.(template.Map).At("Properties"); strings.HasSuffix(name, "Alarm") && (p["AlarmActions"] == nil || p["TreatMissingData"] == nil) {
			t.Errorf("%s: AlarmActions or TreatMissingData is not set", name)
		}
	}
}

// An alarm's description is all that a mail or a chat has of it.
func TestEveryAlarmSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	elsewhere := []string{"ThrottleAlarm", "UndeliveredAlarm"} // in Lambda's and EventBridge's settings, which their texts name
	stack, looked := render(t, parse(t), cloudformation.Options{StackName: strings.Repeat("s", 128), Parameters: full()}), 0
	for id, resource := range stack.Resources {
		if resource.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		looked++
		text, _ := resource.Properties["AlarmDescription"].(string)
		if says := strings.Contains(text, ". Next - mautic-rotation "); says == slices.Contains(elsewhere, id) || len(text) > 1024 { // CloudWatch's most
			t.Errorf("%s says %q", id, text)
		}
	}
	if looked < 10 {
		t.Errorf("only %d alarms were looked at", looked)
	}
}

func TestTheDashboardIsJSON(t *testing.T) {
	t.Parallel()
	text, _ := template.Sub(read(t).Resources.At("Dashboard", "Properties")["DashboardBody"])
	var body struct{ Widgets []struct{ Type string } }
	if err := json.Unmarshal([]byte(text), &body); err != nil || len(body.Widgets) < 4 {
		t.Errorf("%d widgets, %v", len(body.Widgets), err)
	}
}

// What CloudFormation gives the outputs' names to is checked by cfn-lint; here,
// whether the commands that they print are ones that the AWS CLI has.
func TestTheCommandsInTheOutputsExist(t *testing.T) {
	t.Parallel()
	tpl, checked := read(t), 0
	for name := range tpl.Outputs {
		text, _ := template.Sub(tpl.Outputs.At(name)["Value"])
		words := strings.Fields(text)
		if len(words) < 3 || words[0] != "aws" {
			continue
		}
		checked++
		command, flags := strings.Join(words[1:3], " "), regexp.MustCompile(`--[a-z-]+`).FindAllString(text, -1)
		switch {
		case words[1] == "secretsmanager":
			method, ok := reflect.TypeFor[*secretsmanager.Client]().MethodByName(camel(words[2]))
			if !ok {
				t.Errorf("%s: no such operation: %s", name, command)
				continue
			}
			input := method.Type.In(2).Elem()
			for _, flag := range flags {
				field := camel(strings.TrimPrefix(strings.TrimPrefix(flag, "--"), "no-"))
				if _, ok := input.FieldByName(field); !ok && flag != "--region" {
					t.Errorf("%s: %s has no %s", name, command, flag)
				}
			}
		case command == "logs tail", command == "lambda invoke":
			for _, flag := range flags {
				if !slices.Contains([]string{"--region", "--since", "--follow", "--function-name", "--cli-binary-format", "--payload"}, flag) {
					t.Errorf("%s: unknown flag %s", name, flag)
				}
			}
		default:
			t.Errorf("%s: unknown command %s", name, command)
		}
	}
	if checked != 6 {
		t.Errorf("%d outputs are commands", checked)
	}
}

// camel turns the CLI's spelling into the API's.
func camel(kebab string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(kebab, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
