package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/report"
)

// The actions that change nothing.

// reads are the operations of AWS's that change nothing.
func reads(operation string) bool {
	return strings.HasPrefix(operation, "Describe") || strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List")
}

// unchanged is what the function answers to an event, which has to change nothing: not by a
// call to AWS, and not in the secret.
func (d *deployment) unchanged(event string) report.Report {
	d.t.Helper()
	before, calls := d.secretState(), len(d.AWS.Calls())
	r := d.answer([]byte(event))
	made := 0
	for _, c := range d.AWS.Calls()[calls:] {
		if c.Caller.Function == "" {
			continue
		}
		if made++; !reads(c.Operation) {
			d.t.Errorf("%s calls %s %s", event, c.Operation, c.Detail)
		}
	}
	if made == 0 {
		d.t.Errorf("%s makes no call to AWS at all", event)
	}
	if after := d.secretState(); len(after.Versions) != len(before.Versions) || !slices.EqualFunc(after.Versions, before.Versions, func(a, b localsecretsmanager.VersionState) bool {
		return a.ID == b.ID && slices.Equal(a.Labels, b.Labels)
	}) {
		d.t.Errorf("%s has changed the secret from %+v to %+v", event, before.Versions, after.Versions)
	}
	for _, s := range r.Secrets {
		if len(s.Changed)+len(s.Notices) > 0 {
			d.t.Errorf("%s answers that it changed %v, %v", event, s.Changed, s.Notices)
		}
	}
	return r
}

// proxied has the function reach the server by a proxy that keeps its calls in mind.
func proxied(t *testing.T) (*mysqlproxy.Proxy, func(*rig.Options)) {
	t.Helper()
	server := mysqltest.Shared(t)
	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: server.Addr(), UpstreamTLS: server.TLSConfig()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy, func(o *rig.Options) {
		o.DatabaseHost, o.DatabasePort, o.DatabaseCAFile = proxy.Host(), proxy.Port(), proxy.CAFile()
	}
}

func TestTheStatusChangesNothingAndLogsInNowhere(t *testing.T) {
	proxy, through := proxied(t)
	d := deploy(t, through)
	other := d.otherSecret("another", "status_other")
	d.reconfigure(map[string]string{"SECRET_ARNS": d.SecretARN + "," + other})
	if first := d.unchanged(`{"Action":"status"}`); len(first.Secrets) != 2 || first.Secrets[0].Error != "" {
		t.Errorf("before the first rotation: %+v", first)
	}
	d.mustRotate()
	if len(proxy.Calls()) == 0 {
		t.Fatal("the function does not reach the server by the proxy")
	}
	if _, err := d.Secrets.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: &other, RecoveryWindowInDays: aws.Int64(7)}); err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{`{"Action":"status"}`, `{"Action":"status","SecretId":"` + d.SecretARN + `"}`} {
		before := len(proxy.Calls())
		r := d.unchanged(event)
		if made := len(proxy.Calls()) - before; made != 0 {
			t.Errorf("%s makes %d calls to the database", event, made)
		}
		s := r.Secrets[0]
		if s.Error != "" || len(s.Credentials) != 1 || s.Rollout == nil || s.Schedule == nil || !s.Schedule.Enabled || len(s.Labels) < 4 {
			t.Errorf("%s answers %+v", event, s)
		}
		if old := s.Credentials[0].Old; len(old) != 1 || old[0].State != "proven" && old[0].State != "old" || old[0].Next == "" || old[0].Why == "" || old[0].Version != d.labelled("AWSPREVIOUS").ID {
			t.Errorf("%s has the old values %+v", event, old)
		}
		if len(r.Secrets) == 2 && (r.Secrets[1].ARN != other || r.Secrets[1].Error == "") {
			t.Errorf("of a secret that is deleted it answers %+v", r.Secrets[1])
		}
	}
}

func TestThePreflightAndTheVerificationChangeNothing(t *testing.T) {
	app := &rig.Application{}
	d := deployApplication(t, app)
	ask := func(action action) (s report.Secret, results map[string]string) {
		t.Helper()
		r := d.unchanged(`{"Action":"` + string(action) + `","SecretId":"` + d.SecretARN + `"}`)
		results = map[string]string{}
		for _, c := range r.Secrets[0].Checks {
			if c.Result != report.OK {
				results[c.Part] = c.Result + ": " + c.Text
			}
		}
		return r.Secrets[0], results
	}
	if s, results := ask(actionPreflight); s.Error != "" || len(results) != 2 || results["redeploy"] == "" || !strings.Contains(results["schedule"], "rotation is not enabled") || len(s.Checks) < 12 {
		t.Errorf("before the first rotation, the preflight finds %v: %+v", results, s)
	}
	d.mustRotate()
	d.mustBeSteady()
	if s, _ := ask(actionVerify); s.Error != "" || len(s.Credentials) != 1 || s.Credentials[0].Accepted != "accepted" || !hasCheck(s, "database", "accepted, since its overlap is open") {
		t.Errorf("while the overlap is open, the verification finds %+v", s)
	}
	if s, results := ask(actionPreflight); s.Error != "" || !strings.Contains(results["database"], "warning: ") {
		t.Errorf("while the overlap is open, the preflight finds %v", results)
	}
	d.mustSettle()
	if s, results := ask(actionVerify); s.Error != "" || !strings.Contains(results["database"], "its overlap is over") || !hasCheck(s, "tasks", "") || len(results) > 2 { // health and the old value are not asked
		t.Errorf("at the end, the verification finds %v: %+v", results, s)
	}
	d.put(strings.Replace(d.raw("AWSCURRENT"), d.password("AWSCURRENT"), "mistyped-by-hand", 1))
	if s, results := ask(actionVerify); s.Credentials[0].Accepted != "denied" || !strings.Contains(results["database"], "problem: ") {
		t.Errorf("with a wrong password, the verification finds %v: %+v", results, s)
	}
	d.moveLabel("AWSCURRENT", d.labelled("AWSPREVIOUS").ID, d.labelled("AWSCURRENT").ID)
}

// hasCheck tells whether an answer has a check of a part that is well, with some words.
func hasCheck(s report.Secret, part, words string) bool {
	return slices.ContainsFunc(s.Checks, func(c report.Check) bool {
		return c.Part == part && c.Result == report.OK && strings.Contains(c.Text, words)
	})
}
