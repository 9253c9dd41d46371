package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/cloudformation"
)

// reading is done once: all checks are of the same template.
var reading = sync.OnceValues(func() (*cloudformation.Template, error) { return read("../../template.yaml") })

func shippedTemplate(t *testing.T) *cloudformation.Template {
	t.Helper()
	template, err := reading()
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// own are values as somebody puts them in for the samples of samconfig.toml.
var own = strings.NewReplacer("123456789012", "210987654321", "-AbCdEf", "-Xy12Zw", "0123456789abcdef", "0a1b2c3d4e5f6071", "example.com", "acme.test")

// config writes a configuration, and is its path.
func config(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "samconfig.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func shippedConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheEnvironmentsAreFineOnceTheSamplesAreReplaced(t *testing.T) {
	t.Parallel()
	template, file := shippedTemplate(t), config(t, own.Replace(shippedConfig(t)))
	for _, environment := range []string{"dev", "staging", "prod"} {
		if err := check(template, file, environment); err != nil {
			t.Error(err)
		}
	}
}

// Each sample by itself would be refused by AWS, some only in the midst of a deployment.
func TestEachSampleIsRefused(t *testing.T) {
	t.Parallel()
	template := shippedTemplate(t)
	for environment, names := range map[string][]string{
		"dev":     {"DatabaseHost"},
		"staging": {"SecretArn", "MauticUrl", "SubnetIds", "SecurityGroupIds"},
		"prod":    {"SecretArn", "MauticUrl", "SubnetIds", "SecurityGroupIds", "AlarmEmail"},
	} {
		err := check(template, "../../samconfig.toml", environment)
		if err == nil || strings.Count(err.Error(), " is a sample; give ") != len(names) {
			t.Errorf("%s: got %v", environment, err)
			continue
		}
		for _, name := range names {
			if !strings.Contains(err.Error(), "\n"+name+": ") {
				t.Errorf("%s: %s is not refused: %v", environment, name, err)
			}
		}
	}
	for _, left := range []string{"-Xy12Zw", "210987654321"} { // of the ARN either half is enough
		sample := map[string]string{"-Xy12Zw": "-AbCdEf", "210987654321": "123456789012"}[left]
		err := check(template, config(t, strings.ReplaceAll(own.Replace(shippedConfig(t)), left, sample)), "prod")
		if err == nil || !strings.Contains(err.Error(), "SecretArn: ") {
			t.Errorf("%s: got %v", sample, err)
		}
	}
}

func TestWhatIsInAnotherRegionThanTheStackIsRefused(t *testing.T) {
	t.Parallel()
	template := shippedTemplate(t)
	mine := own.Replace(shippedConfig(t))
	moved := strings.ReplaceAll(mine, `region = "eu-west-1"`, `region = "us-east-1"`)
	if err := check(template, config(t, moved), "prod"); err == nil || !strings.Contains(err.Error(), "is in eu-west-1, and the stack in us-east-1") {
		t.Errorf("got %v", err)
	}
	bus := strings.Replace(mine, `"FunctionName=mautic-rotation-prod",`, `"FunctionName=mautic-rotation-prod", "NoticeBusArn=arn:aws:events:us-east-1:210987654321:event-bus/central",`, 1)
	if err := check(template, config(t, bus), "prod"); err != nil {
		t.Errorf("a bus may be in another region: %v", err)
	}
}

func TestWhatIsWrongIsNamedWithTheRemedy(t *testing.T) {
	t.Parallel()
	template := shippedTemplate(t)
	mine := own.Replace(shippedConfig(t))
	const other = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:mautic-prod-smtp-Xy12Zw"
	// Each is added to the parameters of prod.
	for line, want := range map[string]string{
		`"ScheduleExpression=rate(30 days)",`:                                   `'ScheduleExpression="rate(30 days)"'`,
		`'ScheduleExpression="rate(1 hour)"',`:                                  "rate(<4 to 999> hours)",
		`"MauticUrls=https://mautic.example.com",`:                              "no parameter MauticUrls",
		`'ScheduleExpression="cron(0 22 ? * SUN *)"', "ScheduleDuration=4h",`:   "past midnight",
		`"WatchSeconds=76",`:                                                    "Timeout 120 is too short for WatchSeconds 76: no old value would be taken away. It takes 121 seconds at least",
		`"WatchSeconds=38", "ObserveMinutes=0",`:                                "Timeout 120 is too short for WatchSeconds 38",
		`"Timeout=60", "WatchSeconds=16",`:                                      "It takes 61 seconds at least",
		`"ScheduleDuration2=22h", "SecretArn2=` + other + `",`:                  "ScheduleExpression2: cron(0 3 8 * ? *) and ScheduleDuration2: a window of 22 hours that opens at 3 o'clock",
		`"CreateSecret=true",`:                                                  "set CreateSecret to true and leave SecretArn empty",
		`"SecretArn2=arn:aws:secretsmanager:eu-west-1:1:secret:rds!db-AbCdEf",`: "belongs to an AWS service",
	} {
		text := strings.Replace(mine, `"FunctionName=mautic-rotation-prod",`, `"FunctionName=mautic-rotation-prod",`+"\n  "+line, 1)
		if err := check(template, config(t, text), "prod"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", line, err)
		}
	}
	if err := check(template, "../../samconfig.toml", "qa"); err == nil || !strings.Contains(err.Error(), "no section [qa.deploy.parameters]") {
		t.Errorf("got %v", err)
	}
}
