package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/rig"
)

// A symptom is one of AWS's page about rotations that fail, in the words of the table in
// docs/operate.md.
type symptom struct {
	row   string // how its row begins
	cause func(d *deployment)
	args  []string // what an operator types
	says  []string // in this order
	code  fault.Code
	// remedied is what the remedy does. Then the same command finds nothing.
	remedied func(d *deployment)
}

// denies has AWS refuse an operation.
func denies(operation, code, message string) func(d *deployment) {
	return func(d *deployment) {
		d.AWS.Intercept(func(c wire.Call) (f wire.Fault) {
			if c.Operation == operation {
				f.Error = &wire.Error{Code: code, Message: message, Status: 400}
			}
			return f
		})
	}
}

func allows(d *deployment) { d.AWS.Intercept(nil) }

// stores has somebody store another document.
func stores(old, replacement string) func(d *deployment) {
	return func(d *deployment) {
		state, err := d.AWS.SecretsManager.State(d.SecretARN)
		if err != nil {
			d.t.Fatal(err)
		}
		value := state.Labelled("AWSCURRENT").Value
		changed := regexp.MustCompile(old).ReplaceAllString(value, replacement)
		if changed == value {
			d.t.Fatalf("%s is not in the document", old)
		}
		if _, err := d.Secrets.PutSecretValue(d.t.Context(), &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: &changed}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// goesBack has somebody make the version before current again, as it was.
func goesBack(d *deployment) {
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		d.t.Fatal(err)
	}
	label, to, from := "AWSCURRENT", state.Labelled("AWSPREVIOUS").ID, state.Labelled("AWSCURRENT").ID
	_, err = d.Secrets.UpdateSecretVersionStage(d.t.Context(), &sm.UpdateSecretVersionStageInput{SecretId: &d.SecretARN, VersionStage: &label, MoveToVersionId: &to, RemoveFromVersionId: &from})
	if err != nil {
		d.t.Fatal(err)
	}
}

// trusts gives the function a file of roots, by which it verifies the server.
func trusts(file func(d *deployment) string) func(d *deployment) {
	return func(d *deployment) {
		path, err := filepath.Abs(file(d))
		if err != nil {
			d.t.Fatal(err)
		}
		if err := d.Reconfigure(map[string]string{"DATABASE_CA_FILE": path}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// deploys makes the function once more.
func deploys(d *deployment) {
	if err := d.Reconfigure(nil); err != nil {
		d.t.Fatal(err)
	}
}

const role = "User: arn:aws:sts::123456789012:assumed-role/mautic-rotation-prod/mautic-rotation-prod is not authorized to perform: "

var symptoms = []symptom{
	{"Access to KMS is not allowed", denies("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed"),
		[]string{"preflight"}, []string{"FAIL", "Access to KMS is not allowed: name the secret's key in the stack's parameter SecretKeyArns", "1 problem"}, fault.Attention, allows},
	{"Access to KMS is not allowed", denies("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed"),
		[]string{"status"}, []string{"FAIL", "Access to KMS is not allowed: name the secret's key in the stack's parameter SecretKeyArns"}, fault.Attention, allows},
	{"The secret's policy, or the role's", denies("DescribeSecret", "AccessDeniedException", role+"secretsmanager:DescribeSecret on resource: x with an explicit deny in a resource-based policy"),
		[]string{"status"}, []string{"explicit deny in a resource-based policy: the function's role may call it as long as this function rotates the secret"}, fault.Attention, allows},
	{"Key is missing from secret JSON", stores(`"database_password"`, `"db_password"`),
		[]string{"preflight"}, []string{"FAIL", "the secret has no credential that this function rotates. It was expected in these fields: database at /database_password or /password"}, fault.Attention, goesBack},
	{"Key is missing from secret JSON", stores(`(?s).*`, `user=mautic`),
		[]string{"preflight"}, []string{"FAIL", "the value is not valid JSON", "store a JSON object"}, fault.Attention, goesBack},
	{"setSecret: Unable to log into database", stores(`("database_password": ?)"[^"]*"`, `$1"mistyped"`),
		[]string{"preflight"}, []string{"FAIL", "database", "log in to", "MySQL error 1045", "store it in the secret"}, fault.Attention, goesBack},
	{"The rotation function can't access the database", stores(`"database_port": ?\d+(\.0)?`, `"database_port": 9`),
		[]string{"preflight"}, []string{"FAIL", "database", "log in to", "cannot be reached"}, fault.Attention, goesBack},
	{"The database requires SSL/TLS access", trusts(func(*deployment) string { return "../../rotation/database/rds-root-cas.pem" }),
		[]string{"preflight"}, []string{"FAIL", "database", "not signed by a trusted root"}, fault.Attention, trusts(func(d *deployment) string { return d.MySQL.CAFile() })},
	{"PutSecretValue", denies("PutSecretValue", "AccessDeniedException", role+"secretsmanager:PutSecretValue on resource: x"),
		[]string{"rotate", "--no-wait"}, nil, fault.Fine, nil},
	{"PutSecretValue", nil,
		[]string{"logs"}, []string{"ERROR: createSecret failed", "secretsmanager:PutSecretValue", "deploy the stack again"}, fault.Fine, nil},
	{"AWSPENDING", nil,
		[]string{"status"}, []string{"rotation", "has no new value yet", "mautic-rotation logs", "mautic-rotation abandon"}, fault.Fine, nil},
	{"AWSPENDING", allows,
		[]string{"abandon"}, []string{"done: the rotation was given up"}, fault.Fine, nil},
	{"Secrets Manager cannot invoke the specified Lambda function", denies("RotateSecret", "AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com"),
		[]string{"rotate"}, []string{"Secrets Manager cannot invoke the function", "correct the stack's parameter SecretArn and deploy"}, fault.Attention, allows},
	{"Error when executing lambda", denies("Invoke", "TooManyRequestsException", "Rate Exceeded."),
		[]string{"status"}, []string{"Rate Exceeded.", "raise the account's Lambda concurrency limit, or remove reserved concurrency from the function"}, fault.Unknown, allows},
	{"The function does not exist", func(d *deployment) { d.AWS.Lambda.DeleteFunction(rig.FunctionName) },
		[]string{"status", "--stack", rig.StackName}, []string{"no stack", "deploy the stack again"}, fault.Unknown, deploys},
}

// notHad are the rows of the table that the stand-in cannot have, and where they are tried.
var notHad = map[string]string{
	"No activity after":       "internal/operator/cloud, by the answer that Lambda gives then: the stand-in has no network to cut",
	"scram-sha-256":           "of PostgreSQL",
	"Unable to import module": "of Python; the function is one executable",
}

func TestEachSymptomOfAWSsPageIsDiagnosed(t *testing.T) {
	d := deploy(t, rig.Options{})
	for _, s := range symptoms {
		if s.cause != nil {
			s.cause(d)
		}
		shown := d.run(s.args...)
		rest := shown.out + shown.messages
		for _, text := range s.says {
			_, after, ok := strings.Cut(rest, text)
			if !ok {
				t.Errorf("%s: %v does not say %q in\n%s", s.row, s.args, text, shown)
				break
			}
			rest = after
		}
		if shown.code != s.code {
			t.Errorf("%s: %v ends with %d, not %d\n%s", s.row, s.args, shown.code, s.code, shown)
		}
		if slices.Contains(s.args, "--no-wait") {
			version := "all." + uuids.FindString(shown.out)
			if err := d.AWS.SecretsManager.WaitRotation(t.Context(), d.SecretARN, version); err == nil {
				t.Errorf("%s: the rotation has not failed", s.row)
			}
		}
		if s.remedied == nil {
			continue
		}
		s.remedied(d)
		if s.args[0] == "rotate" {
			continue
		}
		if again := d.run(s.args...); strings.Contains(again.out+again.messages, s.says[len(s.says)-1]) {
			t.Errorf("%s: once it is remedied, %v says the same\n%s", s.row, s.args, again)
		}
	}
}

// rows are the symptoms in the table of docs/operate.md.
var symptomRow = regexp.MustCompile(`(?m)^\| (.*?) \|`)

func TestTheTableOfSymptomsHasThoseThatAreTried(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n### By AWS's page\n")
	table, _, _ = strings.Cut(table, "\n## ")
	tried := map[string]bool{}
	rows := 0
	for _, m := range symptomRow.FindAllStringSubmatch(table, -1) {
		if m[1] == "AWS's page says" || strings.HasPrefix(m[1], "---") {
			continue
		}
		rows++
		found := false
		for _, s := range symptoms {
			if strings.Contains(m[1], s.row) {
				found, tried[s.row] = true, true
			}
		}
		for row := range notHad {
			if strings.Contains(m[1], row) {
				found, tried[row] = true, true
			}
		}
		if !found {
			t.Errorf("no test has the symptom %s", m[1])
		}
	}
	if rows < 10 {
		t.Errorf("the table has %d rows", rows)
	}
	for _, s := range symptoms {
		if !tried[s.row] {
			t.Errorf("the table has no row %s", s.row)
		}
	}
	for row := range notHad {
		if !tried[row] {
			t.Errorf("the table has no row %s", row)
		}
	}
}
