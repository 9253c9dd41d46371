package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver/loopbacktls"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/database"
)

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"

func TestReadSettingsTakesWhatIsSetAndDefaultsTheRest(t *testing.T) {
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "tls", loopbacktls.CAFile)
	if _, err := loopbacktls.Write(filepath.Dir(authority)); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings([]string{
		"SECRET_ARNS= " + arn + " , " + arn + ",",
		"ECS_CLUSTER=mautic-prod-cluster", "ECS_SERVICES=web,cron, worker",
		"DATABASE_HOST=db.example.com", "DATABASE_PORT=3307", "DATABASE_NAME=mautic", "DATABASE_USER=",
		"DATABASE_PASSWORD_POINTER=/db/pw", "DATABASE_CA_FILE=" + roots,
		"ROTATE_EVERY_DAYS=database=30, smtp=365",
		"ROTATE_KINDS=database, webhook,smtp", "SMTP_IAM_USER=mautic-smtp", "SMTP_HOST=mail.example.com", "SMTP_PORT=465", "SMTP_REGION=us-gov-west-1",
		"SMTP_CA_FILE=" + authority, "SMTP_TEST_FROM=mautic@example.com", "SMTP_TEST_TO=success@simulator.amazonses.com", "MAUTIC_TABLE_PREFIX=m_", "MAUTIC_WEBHOOKS=contacts", "API_OVERLAP_DAYS=14", "ADMIN_HASH_COST=13",
		"DATABASE_WAY=admin", "DATABASE_ADMIN_SECRET_ARN=" + arn, "DATABASE_SECRET_ARN=" + arn, "DATABASE_ENDPOINT=db:3307", "DATABASE_TLS=VERIFY_CA",
		"DATABASE_RDS=true", "DATABASE_INSTANCE=mautic-prod", "DATABASE_RECOVERY=true",
		"PASSWORD_LENGTH=41", "OBSERVE_MINUTES=0", "FOLLOW_COPIES=false", "ROTATE_WHEN_DUE=true", "METRICS=false", "PATH=/bin", "AWS_REGION=eu-west-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.secretARNs, []string{arn}) || !slices.Equal(s.services, []string{"web", "cron", "worker"}) {
		t.Errorf("got %q and %q", s.secretARNs, s.services)
	}
	if s.database.Host != "db.example.com" || s.database.Port != 3307 || s.database.User != "" || s.database.CAFile != roots {
		t.Errorf("got %+v", s.database)
	}
	if want := []database.Layout{{Password: "/db/pw"}}; !slices.Equal(s.database.Layouts, want) {
		t.Errorf("got layouts %v", s.database.Layouts)
	}
	if want := map[string]time.Duration{"database": 30 * 24 * time.Hour, "smtp": 365 * 24 * time.Hour}; !maps.Equal(s.every, want) {
		t.Errorf("got %v", s.every)
	}
	if !slices.Equal(s.kinds, []string{"database", "webhook", "smtp"}) || s.mautic.tablePrefix != "m_" || !slices.Equal(s.mautic.hooks, []string{"contacts"}) ||
		s.mautic.apiOverlap != 14*24*time.Hour || s.mautic.hashCost != 13 || len(kinds(s)) != 3 {
		t.Errorf("got kinds %v, %+v", s.kinds, s.mautic)
	}
	if m := s.smtp; m.User != "mautic-smtp" || m.Host != "mail.example.com" || m.Port != 465 || m.Region != "us-gov-west-1" || m.Roots == nil ||
		m.TestFrom != "mautic@example.com" || m.TestTo != "success@simulator.amazonses.com" {
		t.Errorf("got %+v", m)
	}
	if d := s.database; d.Way != "admin" || s.adminSecretARN != arn || s.databaseSecretARN != arn || d.Endpoint != "db:3307" || d.TLS != "VERIFY_CA" || d.Instance != "mautic-prod" || !d.Recovery || !s.askRDS {
		t.Errorf("got %+v", d)
	}
	if l := s.limits; !s.leaveCopies || !slices.Equal(s.whenDue, []string{arn}) || !s.unmeasured || l.Observe != 0 || l.Watch != rotation.DefaultLimits.Watch {
		t.Errorf("got %+v", l)
	}
	other := strings.Replace(arn, "secret:", "secret:other-", 1)
	for value, want := range map[string][]string{"true": {arn, other}, "false": nil, "": nil, other: {other}, arn + "," + other: {arn, other}} {
		if s, err := readSettings([]string{"SECRET_ARNS=" + arn + "," + other, "ROTATE_WHEN_DUE=" + value}); err != nil || !slices.Equal(s.whenDue, want) {
			t.Errorf("ROTATE_WHEN_DUE=%s: %q, %v", value, s.whenDue, err)
		}
	}
	if n := len(s.database.Passwords.Generate()); n != 41 {
		t.Errorf("passwords of %d characters", n)
	}
}

func TestReadSettingsNamesEveryFaultAtOnce(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readSettings([]string{
		"SECRET_ARNS=mautic-prod-secrets", "ECS_CLUSTER=c", "DATABASE_PORT=70000", "DATABASE_HOST_POINTER=host",
		"DATABASE_NAME_POINTER=/name", "DATABASE_CA_FILE=/no/such/file", "DATABASE_PASWORD_POINTER=/p",
		"ROTATE_EVERY_DAYS=databse=30", "ROTATE_KINDS=database,smtp,smpt", "SMTP_HOTS=mail.example.com", "SMTP_REGION=Ireland", "SMTP_PORT=0", "SMTP_TEST_FROM=Mautic <mautic@example.com>",
		"SMTP_TEST_TO=success@simulator.amazonses.com", "SMTP_CA_FILE=" + empty, "DATABASE_WAY=magic", "ADMIN_HASH_COST=4", "DATABASE_TLS=preferred",
		"DATABASE_RECOVERY=true", "DATABASE_RDS=perhaps", "DATABASE_ADMIN_SECRET_ARN=admin", "DATABASE_SECRET_ARN=mautic-prod-database",
		"PASSWORD_LENGTH=8", "PASSWORD_ALPHABET=abc", "OBSERVE_MINUTES=-1", "WATCH_SECONDS=0", "FOLLOW_COPIES=some", "ROTATE_WHEN_DUE=seldom", "METRICS=few",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"mautic-prod-secrets" is not a secret's ARN`,
		"ECS_CLUSTER and ECS_SERVICES go together",
		`"70000" is not a port`,
		`"host" is not a JSON Pointer`,
		"DATABASE_PASSWORD_POINTER is not set",
		"DATABASE_CA_FILE",
		"DATABASE_PASWORD_POINTER: no such setting",
		`"databse=30" is not a kind (admin, api, database`,
		`"smpt" is not one of database, smtp, api, admin, webhook`, "DATABASE_WAY", `"preferred" is not one of`, `"4" is not a whole number from 10 to 15`, `"perhaps" is neither true nor false`,
		`"admin" is not a secret's ARN`, `"mautic-prod-database" is not a secret's ARN`, "DATABASE_RECOVERY=true needs DATABASE_RDS=true",
		"ROTATE_KINDS has smtp, which needs SMTP_IAM_USER", "SMTP_HOTS: no such setting", `"Ireland" is not a region`, `"0" is not a port`,
		`"Mautic <mautic@example.com>" is not an e-mail address`, "SMTP_TEST_FROM and SMTP_TEST_TO go together", "contains no PEM certificate",
		"length 8", "the alphabet has 3 characters", `"-1" is not a whole number from 0 to 1440`, `"some" is neither true nor false`, `"seldom" is neither true nor false, nor one of SECRET_ARNS`, `"few" is neither true nor false`, `"0" is not a whole number from 1 to 300`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q:\n%v", want, err)
		}
	}
	for _, name := range []string{"arn:aws:iam::123456789012:user/mautic-smtp", "a user", strings.Repeat("n", 65)} {
		if _, err := readSettings([]string{"SECRET_ARNS=" + arn, "SMTP_IAM_USER=" + name}); err == nil || !strings.Contains(err.Error(), "is not the name of an IAM user") {
			t.Errorf("the user %q: %v", name, err)
		}
	}
	if _, err := readSettings(nil); err == nil || !strings.Contains(err.Error(), "SECRET_ARNS is not set") {
		t.Errorf("with nothing set: %v", err)
	}
}

func TestASecretOfAServiceMayBeReadAndNotRotated(t *testing.T) {
	t.Parallel()
	of := func(partition, region, name string) string {
		return "arn:" + partition + ":secretsmanager:" + region + ":123456789012:secret:" + name + "-AbCdEf"
	}
	own := []string{
		of("aws", "eu-west-1", "mautic/prod_a+b=c.d@e-f"), of("aws-cn", "cn-north-1", "mautic"), of("aws-us-gov", "us-gov-west-1", "mautic"),
		of("aws-iso-b", "us-isob-east-1", "mautic"), of("aws-eusc", "eusc-de-east-1", "mautic"),
	}
	services := []string{of("aws", "eu-west-1", "rds!db-2f1d5b1e-8a90-4b7d-b6c3"), of("aws-cn", "cn-north-1", "rds!cluster-2f1d5b1e")}
	neither := []string{"", "rds!db-1", of("aws", "eu-west-1", "a b"), of("aws", "eu-west-1", "*"), of("aws", "eu-west-1", "mautic") + "x", of("aws", "eu-west-1", "mautic") + ":database_password::"}
	for _, name := range []string{"SECRET_ARNS", "DATABASE_ADMIN_SECRET_ARN", "DATABASE_SECRET_ARN"} {
		read := func(value string) error {
			_, err := readSettings(append([]string{"SECRET_ARNS=" + arn}, name+"="+value))
			return err
		}
		for _, value := range own {
			if err := read(value); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, value := range services {
			err := read(value)
			if name != "SECRET_ARNS" {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "belongs to the service rds") || !strings.Contains(err.Error(), "a secret of its own") {
				t.Errorf("%s: %s: %v", name, value, err)
			}
		}
		for _, value := range neither {
			if err := read(value); err == nil && value != "" {
				t.Errorf("%s takes %q", name, value)
			}
		}
	}
}

func TestTheZeroTimingLeavesTheSettingsAsTheyAre(t *testing.T) {
	read := func() settings {
		s, err := readSettings([]string{"SECRET_ARNS=" + arn, "WATCH_SECONDS=20", "ADMIN_HASH_COST=13"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, asDeployed := read(), timing{}
	if asDeployed.adjust(&s); !reflect.DeepEqual(s, read()) || len(asDeployed.retries()) > 0 {
		t.Errorf("got %+v", s)
	}
	if quick.adjust(&s); s.limits.Watch != quick.Watch || s.mautic.hashCost != quick.HashCost || s.database.LookPause != quick.Look || s.smtp.Pause != quick.SMTP {
		t.Errorf("the tests' own: got %+v", s)
	}
}
