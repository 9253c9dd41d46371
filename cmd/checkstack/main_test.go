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

func TestTheEnvironmentsAsTheyAreShippedAreFine(t *testing.T) {
	t.Parallel()
	template := shippedTemplate(t)
	for _, environment := range []string{"dev", "staging", "prod"} {
		if err := check(template, "../../samconfig.toml", environment); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsWrongIsNamedWithTheRemedy(t *testing.T) {
	t.Parallel()
	template := shippedTemplate(t)
	shipped, err := os.ReadFile("../../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	const other = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-smtp-AbCdEf"
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
		config := filepath.Join(t.TempDir(), "samconfig.toml")
		text := strings.Replace(string(shipped), `"FunctionName=mautic-rotation-prod",`, `"FunctionName=mautic-rotation-prod",`+"\n  "+line, 1)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := check(template, config, "prod"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", line, err)
		}
	}
	if err := check(template, "../../samconfig.toml", "qa"); err == nil || !strings.Contains(err.Error(), "no section [qa.deploy.parameters]") {
		t.Errorf("got %v", err)
	}
}
