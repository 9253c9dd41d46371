package samconfig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

func TestAFileIsReadAsSAMReadsIt(t *testing.T) {
	t.Parallel()
	environments, err := parse(`
version = 0.1
[default.build.parameters]
cached = false
[dev.deploy.parameters] # a comment
stack_name = "mautic-dev"
region = 'eu-west-1'
resolve_s3 = true
parameter_overrides = [
  "EcsCluster=c", # another
  'ScheduleExpression="cron(0 3 ? * SUN#1 *)"',
  "ReconcileSchedule=\"rate(1 minute)\"",
  'MauticUrl=""', "MauticWebhooks=a\\ b",
]
tags = "application=mautic environment=dev"
[prod.deploy.parameters]
parameter_overrides = "EcsCluster=c EcsService=web"
stack_name = "mautic-prod"
[prod.sync.parameters]
parameter_overrides = ["EcsCluster=other"]
`)
	if err != nil {
		t.Fatal(err)
	}
	dev, prod := environments["dev"], environments["prod"]
	if want := map[string]string{
		"EcsCluster": "c", "ScheduleExpression": "cron(0 3 ? * SUN#1 *)", "ReconcileSchedule": "rate(1 minute)", "MauticUrl": "", "MauticWebhooks": "a b",
	}; !maps.Equal(dev.Parameters, want) || dev.StackName != "mautic-dev" || dev.Region != "eu-west-1" {
		t.Errorf("got %+v", dev)
	}
	if want := map[string]string{"EcsCluster": "c", "EcsService": "web"}; !maps.Equal(prod.Parameters, want) || prod.StackName != "mautic-prod" || len(environments) != 2 {
		t.Errorf("got %+v", environments)
	}
}

func TestAFileThatCannotBeReadIsAnErrorThatNamesTheEnvironment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`parameter_overrides = ["A=b"`:      "dev: parameter_overrides: it does not end",
		`parameter_overrides = ["A=b`:       `"A=b has no end`,
		`parameter_overrides = [A]`:         "is no string in quotes",
		`parameter_overrides = ["A=\u0041"`: "is not understood",
		`stack_name = [mautic]`:             "stack_name is no string",
	} {
		if _, err := parse("[dev.deploy.parameters]\n" + text + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "samconfig.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

const small = `
Parameters:
  Name: {Type: String, Default: n}
  ScheduleExpression: {Type: String, Default: '', AllowedPattern: '^(|rate\(30 days\)|rate\(4 hours\)|cron\(.*\))$', ConstraintDescription: must be a schedule}
  ScheduleDuration: {Type: String, Default: 1h}
  ScheduleExpression2: {Type: String, Default: ''}
  ScheduleDuration2: {Type: String, Default: 1h}
Rules:
  R: {Assertions: [{Assert: !Not [!Equals [!Ref Name, '']], AssertDescription: Name is needed}]}
Resources:
  Schedule:
    Type: AWS::SecretsManager::RotationSchedule
    Properties: {RotationRules: {ScheduleExpression: !Ref ScheduleExpression, Duration: !Ref ScheduleDuration}}
  Schedule2:
    Type: AWS::SecretsManager::RotationSchedule
    Properties: {RotationRules: {ScheduleExpression: !Ref ScheduleExpression2, Duration: !Ref ScheduleDuration2}}
`

func TestWhatSAMWouldDropOrAWSRefuseIsNamed(t *testing.T) {
	t.Parallel()
	template, err := cloudformation.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for overrides, want := range map[string]string{
		`"Name=a", 'ScheduleExpression="rate(30 days)"', "ScheduleDuration=3h"`: "",
		`"ScheduleExpression=rate(30 days)"`:                                    `needs quotes of its own, 'ScheduleExpression="rate(30 days)"'`,
		`"ScheduleExpression=rate(1 days)"`:                                     "it must be a schedule",
		`"Name=new contacts,forms"`:                                             `'Name="new contacts,forms"'`,
		`"Name="`:                                                               `'Name=""'`,
		`'Name=""'`:                                                             "rule R: Name is needed",
		`"Names=x"`:                                                             "no parameter Names",
		`"Name"`:                                                                `"Name" is no Name=value`,
		`"Name=x", "Name=y"`:                                                    "Name is given twice",
		``:                                                                      "it gives no parameters",
		`'ScheduleExpression="cron(0 22 ? * SUN *)"', "ScheduleDuration=3h"`:   "opens at 22 o'clock UTC reaches past midnight",
		`'ScheduleExpression2="cron(0 2/10 * * ? *)"', "ScheduleDuration2=3h"`: "opens at 22 o'clock UTC reaches past midnight",
		`'ScheduleExpression="rate(4 hours)"', "ScheduleDuration=5h"`:          "longer than the 4 from one to the next",
		`'ScheduleExpression="cron(0 22 ? * SUN *)"', "ScheduleDuration2=3h"`:  "",
	} {
		environments, err := parse("[dev.deploy.parameters]\nparameter_overrides = [" + overrides + "]\n")
		if err != nil {
			t.Fatal(err)
		}
		err = environments["dev"].Check(template)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want in it %q", overrides, err, want)
		}
	}
}

func TestAWindowFitsWhereAWSTakesIt(t *testing.T) {
	t.Parallel()
	// The core is asked, without a server: there are hundreds of windows.
	core := secretsmanager.NewCore(host.Env{}, secretsmanager.Options{}, secretsmanager.Hooks{})
	// Rules are checked before the secret is looked for, so there need not be one.
	takes := func(ctx context.Context, expression, duration string) bool {
		_, err := core.RotateSecret(ctx, secretsmanager.RotateSecretInput{
			SecretID: "none", RotationLambdaARN: "none", ClientRequestToken: strings.Repeat("t", 32),
			RotationRules: &secretsmanager.RotationRules{ScheduleExpression: expression, Duration: duration},
		})
		var refusal *wire.Error
		return errors.As(err, &refusal) && refusal.Code == "ResourceNotFoundException"
	}
	expressions := []string{"rate(1 day)", "rate(30 days)", "rate(4 hours)", "rate(7 hours)", "rate(30 hours)", "cron(0 /8 * * ? *)", "cron(0 2/10 * * ? *)", "cron(0 20/4 ? * SUN *)", "cron(0 4/12 L * ? *)"}
	for hour := range 24 {
		expressions = append(expressions, fmt.Sprintf("cron(0 %d ? * SUN *)", hour))
	}
	fit := map[bool]int{}
	for _, expression := range expressions {
		for hours := 1; hours <= 24; hours++ {
			duration := fmt.Sprint(hours, "h")
			err := fits(expression, duration)
			fit[err == nil]++
			if takes(t.Context(), expression, duration) != (err == nil) {
				t.Errorf("%s for %s: AWS does not agree with %v", expression, duration, err)
			}
		}
	}
	if fit[true] < 100 || fit[false] < 100 {
		t.Errorf("%v were looked at", fit)
	}
}
