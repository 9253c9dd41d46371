package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/template/rows"
	"mautic-rotation/rotation/report"
)

// mayAlarm are the rows after which the function says by an error that somebody has to
// act, in the words that it has for that. It changes nothing meanwhile.
var mayAlarm = map[string]string{
	// The template cannot see what is open in a secret. docs/settings.md says to wait.
	"RotateKinds=smtp": "may still be accepted: configure it again until that value is retired",
}

// schedules are the parameters of which a change is a new schedule of the first secret,
// which AWS refuses while a rotation is under way.
var schedules = []string{"ScheduleExpression", "ScheduleDuration", "FunctionName"}

// notTaken are the rows that the template refuses, by its sentence.
var notTaken = map[string]string{
	"FunctionName=mautic-secret-rotation": "rule TheRunbooksFunctionIsAnother",
	"SecretName=mautic-other-secrets":     "rule ACreatedSecretIsNamedByTheStack", // with CreateSecret
}

func TestEveryParameterMayBeChangedWhileAValueIsAcceptedBesideTheNewOne(t *testing.T) {
	t.Parallel()
	parameters := readTemplate(t).Parameters.Keys()
	for parameter := range rows.Changes {
		if !slices.Contains(parameters, parameter) {
			t.Errorf("there is a row for %s, which is no parameter", parameter)
		}
	}
	for _, parameter := range parameters {
		if len(rows.Changes[parameter]) == 0 {
			t.Errorf("there is no row for %s", parameter)
		}
		for _, to := range rows.Changes[parameter] {
			for base, its := range map[string]map[string]string{"of a stack that makes its secret": rows.Creating, "of a stack that is given one": rows.Given} {
				for state, begun := range map[string]bool{"with an overlap": false, "with an overlap and a rotation under way": true} {
					t.Run(parameter+"="+to[parameter]+" "+base+" "+state, func(t *testing.T) {
						t.Parallel()
						changeOne(t, parameter, its, to, begun)
					})
				}
			}
		}
	}
}

// changeOne makes one change of a parameter, in a stack whose first secret has an open
// overlap; begun: and a rotation that is under way.
func changeOne(t *testing.T, parameter string, base map[string]string, to rows.Change, begun bool) {
	t.Helper()
	row := parameter + "=" + to[parameter]
	i := newInstallation(t)
	after := rows.ChangedTo(base, to)
	// A parameter is changed by itself, where that is possible.
	from := maps.Clone(after)
	delete(from, parameter)
	if value, set := base[parameter]; set {
		from[parameter] = value
	}
	if _, err := i.parsed.Render(cloudformation.Options{Parameters: from}); err != nil {
		from = base
	}
	i.provision(from)
	i.provision(after)
	i.run(after)
	if err := i.deploy(from); err != nil {
		t.Fatalf("before: %v", err)
	}
	was := i.stack()
	secret := was.Outputs["SecretArn"]
	i.openOverlap(secret, begun)
	kept, others := i.kept(secret), i.othersKept(secret)

	err := i.deploy(after)
	if now := i.kept(secret); !maps.Equal(now, kept) {
		t.Errorf("the secret had\n%s\nand has\n%s", listed(kept), listed(now))
	}
	now2 := i.othersKept(secret)
	maps.DeleteFunc(now2, func(version, _ string) bool { return others[version] == "" }) // a secret that was made
	if !maps.Equal(now2, others) {
		t.Errorf("the other secrets had\n%s\nand have\n%s", listed(others), listed(now2))
	}
	now := i.stack()
	name := "mautic-rotation"
	switch {
	case err == nil:
		if given := after["FunctionName"]; given != "" {
			name = given
		}
		if now.Status != "UPDATE_COMPLETE" {
			t.Errorf("the stack is %s", now.Status)
		}
	case isCode(err, "ValidationError"):
		if says := notTaken[row]; says == "" || !strings.Contains(err.Error(), says) {
			t.Errorf("the template refuses it: %v", err)
		}
		if now.Status != was.Status || fmt.Sprint(now.Resources) != fmt.Sprint(was.Resources) {
			t.Errorf("it changed the stack, which is %s", now.Status)
		}
	case begun && slices.Contains(schedules, parameter) && strings.Contains(err.Error(), "A previous rotation isn't complete"):
		if now.Status != "UPDATE_ROLLBACK_COMPLETE" || fmt.Sprint(now.Resources) != fmt.Sprint(was.Resources) {
			t.Errorf("the stack is %s, with %v", now.Status, now.Resources)
		}
	default:
		t.Errorf("the update fails: %v", err)
	}
	if begun && err == nil && slices.Contains(schedules, parameter) {
		t.Error("AWS lets a schedule be changed while a rotation is under way")
	}

	// The function goes on, with what it has to be asked for now.
	reply, err := i.invoke(i.Ctx, name, []byte(`{"Action":"reconcile"}`))
	if says := mayAlarm[row]; says != "" && err != nil && strings.Contains(err.Error(), says) {
		err = nil
	} else if says != "" {
		t.Errorf("it does not say %q: %v", says, err)
	}
	if err != nil {
		t.Errorf("the function fails: %v", err)
	}
	if answer, is := reply.(report.Report); is {
		for _, secret := range answer.Secrets {
			if len(secret.Needs) > 0 {
				t.Errorf("it wants somebody: %+v", secret.Needs)
			}
		}
	}
	state, err := i.SecretsManager.State(secret)
	if err != nil {
		t.Fatal(err)
	}
	if state.Labelled("AWSCURRENT").Value != documentWith("current", "current") {
		t.Error("the function has changed what AWSCURRENT stores")
	}
}

// isCode tells whether an error is one of AWS's, by its code.
func isCode(err error, code string) bool {
	var its *wire.Error
	return errors.As(err, &its) && its.Code == code
}

// othersKept are the versions with labels of all other secrets that there are.
func (i *installation) othersKept(secretARN string) map[string]string {
	i.T.Helper()
	found := map[string]string{}
	for _, name := range []string{"mautic-prod-secrets", "mautic-other", "mautic-smtp", lifecycleStack + "-credentials", "rds!db-1"} {
		if _, err := i.SecretsManager.State(name); err != nil || rows.ARNOf(name) == secretARN {
			continue
		}
		for version, its := range i.kept(name) {
			found[name+" "+version] = its
		}
	}
	return found
}

func listed(m map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "  %s: %s\n", key, m[key])
	}
	return b.String()
}

// fails makes no resource.
type fails struct{}

func (fails) Create(context.Context, map[string]any) (string, error) {
	return "", errors.New("the quota is used up")
}
func (fails) Update(context.Context, string, map[string]any, map[string]any) error {
	return errors.New("the quota is used up")
}
func (fails) Delete(context.Context, string) error { return nil }

func TestAFirstDeploymentThatFailsIsNotInTheWayOfTheNext(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	secret := rows.ARNOf(lifecycleStack + "-credentials")
	i.CloudFormation.Provide("AWS::CloudWatch::Dashboard", fails{})
	if err := i.deploy(rows.Creating); err == nil || !strings.Contains(err.Error(), "Dashboard: the quota is used up") {
		t.Fatalf("got %v", err)
	}
	if stack := i.stack(); stack.Status != "ROLLBACK_COMPLETE" || len(stack.Resources) > 0 {
		t.Errorf("the stack is %s, with %v", stack.Status, stack.Resources)
	}
	if _, err := i.SecretsManager.State(secret); err == nil {
		t.Error("the secret is still there")
	}
	i.CloudFormation.Provide("AWS::CloudWatch::Dashboard", nil)
	if err := i.deploy(rows.Creating); !isCode(err, "ValidationError") || !strings.Contains(err.Error(), "ROLLBACK_COMPLETE") {
		t.Errorf("before it is deleted: %v", err)
	}
	if err := i.CloudFormation.Delete(i.Ctx, lifecycleStack); err != nil {
		t.Fatal(err)
	}
	if err := i.deploy(rows.Creating); err != nil {
		t.Fatal(err)
	}
	if _, err := i.SecretsManager.State(secret); err != nil {
		t.Error(err)
	}
}

// What docs/deploy.md says of a stack that was deleted: its secret stays, and the next
// stack takes it over, with what a rotation had left open.
func TestTheSecretOfADeletedStackStaysAndIsTakenOver(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	if err := i.deploy(rows.Creating); err != nil {
		t.Fatal(err)
	}
	secret := i.stack().Outputs["SecretArn"]
	i.openOverlap(secret, false)
	kept := i.kept(secret)
	look := func(when string) {
		t.Helper()
		if now := i.kept(secret); !maps.Equal(now, kept) {
			t.Errorf("%s: the secret had\n%s\nand has\n%s", when, listed(kept), listed(now))
		}
	}
	if err := i.CloudFormation.Delete(i.Ctx, lifecycleStack); err != nil {
		t.Fatal(err)
	}
	look("deleted")
	described, err := i.Secrets.DescribeSecret(i.Ctx, &sm.DescribeSecretInput{SecretId: &secret})
	if err != nil || *described.RotationEnabled {
		t.Errorf("its schedule goes on: %v", err)
	}

	// As before: the name is taken, and what takes the attempt back does not take the secret.
	if err := i.deploy(rows.Creating); err == nil || !strings.Contains(err.Error(), "CreatedSecret: ") {
		t.Errorf("deployed as before: %v", err)
	}
	look("deployed as before")
	if err := i.CloudFormation.Delete(i.Ctx, lifecycleStack); err != nil {
		t.Fatal(err)
	}
	look("deleted again")

	if err := i.deploy(rows.ChangedTo(rows.Creating, rows.With("CreateSecret", "false", "SecretArn", secret))); err != nil {
		t.Fatal(err)
	}
	look("taken over")
	reply, err := i.invoke(i.Ctx, "mautic-rotation", []byte(`{"Action":"reconcile"}`))
	if answer, is := reply.(report.Report); err != nil || !is || len(answer.Secrets) != 1 || len(answer.Secrets[0].Needs) > 0 {
		t.Errorf("the function answers %+v, %v", reply, err)
	}
}

func TestAnUpdateThatFailsIsTakenBackWithoutATouchOfTheSecret(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	if err := i.deploy(rows.Creating); err != nil {
		t.Fatal(err)
	}
	was := i.stack()
	secret := was.Outputs["SecretArn"]
	i.openOverlap(secret, false)
	kept := i.kept(secret)
	i.provision(rows.With("SecretArn2", rows.ARNOf("mautic-smtp")))
	i.CloudFormation.Provide("AWS::SNS::Subscription", fails{})
	err := i.deploy(rows.ChangedTo(rows.Creating, rows.With("FunctionName", "another-name", "SecretArn2", rows.ARNOf("mautic-smtp"), "AlarmEmail", "ops@example.com",
		"ScheduleExpression", "rate(30 days)", "SecretKeyArns", rows.KMSKey)))
	if err == nil || !strings.Contains(err.Error(), "EmailSubscription: the quota is used up") {
		t.Fatalf("got %v", err)
	}
	if now := i.kept(secret); !maps.Equal(now, kept) {
		t.Errorf("the secret had\n%s\nand has\n%s", listed(kept), listed(now))
	}
	if now := i.stack(); now.Status != "UPDATE_ROLLBACK_COMPLETE" || fmt.Sprint(now.Resources) != fmt.Sprint(was.Resources) {
		t.Errorf("the stack is %s, with\n%v\nand had\n%v", now.Status, now.Resources, was.Resources)
	}
	described, err := i.Secrets.DescribeSecret(i.Ctx, &sm.DescribeSecretInput{SecretId: &secret})
	if err != nil || !*described.RotationEnabled || !strings.HasSuffix(*described.RotationLambdaARN, ":mautic-rotation") || *described.RotationRules.ScheduleExpression != "cron(0 3 8 * ? *)" {
		t.Errorf("the schedule is %+v, %v", described, err)
	}
	if _, err := i.invoke(i.Ctx, "mautic-rotation", []byte(`{"Action":"reconcile"}`)); err != nil {
		t.Errorf("the function fails: %v", err)
	}
}

// CloudFormation does write a secret's value: by another version of the template, say.
// Then it is seen here.
func TestATemplateThatMadeTheSecretAnewWouldBeSeen(t *testing.T) {
	t.Parallel()
	secret := rows.ARNOf(lifecycleStack + "-credentials")
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for was, would := range map[string]string{
		"SecretStringTemplate: '{}'":             "SecretStringTemplate: !Sub '{\"database_user\": \"${DatabaseUser}\"}'",
		"DeletionPolicy: RetainExceptOnCreate\n": "DeletionPolicy: Delete\n",
	} {
		if strings.Count(string(text), was) != 1 {
			t.Fatalf("the template has not once %s", was)
		}
		i := newInstallation(t)
		if err := i.deploy(rows.Creating); err != nil {
			t.Fatal(err)
		}
		i.openOverlap(secret, false)
		if i.parsed, err = cloudformation.Parse([]byte(strings.Replace(string(text), was, would, 1))); err != nil {
			t.Fatal(err)
		}
		i.provision(rows.Given)
		err := i.deploy(rows.Creating)
		if err == nil && strings.HasPrefix(was, "Deletion") {
			err = i.deploy(rows.Given)
		}
		if err != nil {
			t.Fatal(err)
		}
		if state, err := i.SecretsManager.State(secret); err == nil && state.Labelled("AWSCURRENT").Value == documentWith("current", "current") {
			t.Errorf("with %s AWSCURRENT is what it was", would)
		}
	}
}

// unlooked are the rows that the template takes and the function refuses, by its words,
// since no rule of a template can look for a word in a text. The preflight that follows a
// deployment fails with these words.
var unlooked = map[string]string{"RotateKinds=smtp": "ROTATE_KINDS has smtp, which needs SMTP_IAM_USER"}

// A parameter by itself, without what the rows give with it.
func TestWhatTheTemplateTakesTheFunctionTakesToo(t *testing.T) {
	t.Parallel()
	parsed, err := parsedTemplate()
	if err != nil {
		t.Fatal(err)
	}
	taken, refused := 0, 0
	for parameter, changes := range rows.Changes {
		for _, to := range changes {
			stack, err := parsed.Render(cloudformation.Options{Parameters: rows.ChangedTo(rows.Given, rows.With(parameter, to[parameter]))})
			if err != nil {
				refused++
				continue
			}
			taken++
			environment, err := stack.Environment("RotationFunction")
			if err != nil {
				t.Fatal(err)
			}
			var environ []string
			for name, value := range environment {
				environ = append(environ, name+"="+value)
			}
			row := parameter + "=" + to[parameter]
			if _, err := readSettings(environ); (err != nil) != (unlooked[row] != "") || err != nil && !strings.Contains(err.Error(), unlooked[row]) {
				t.Errorf("%s: %v", row, err)
			}
		}
	}
	if taken < 70 || refused < 10 {
		t.Errorf("the template takes %d rows, and refuses %d", taken, refused)
	}
}
