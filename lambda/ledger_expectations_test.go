package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// What the tests of the ledger do with a deployment, and look at.

// The database.

// resetPassword gives the account a password by hand, as a DBA does.
func (d *deployment) resetPassword(password string) {
	d.t.Helper()
	if _, err := d.MySQL.Admin().ExecContext(d.t.Context(), "ALTER USER ?@'%' IDENTIFIED BY ?", d.User, password); err != nil {
		d.t.Fatal(err)
	}
	d.accepts(true, password)
}

// The secret.

var passwordField = regexp.MustCompile(`("database_password": *)"[^"]*"`)

// withPassword is a document with another password in its field.
func withPassword(raw, password string) string {
	return passwordField.ReplaceAllString(raw, `${1}"`+password+`"`)
}

// labelMoved delivers the event by which Secrets Manager tells that AWSCURRENT was
// moved.
func (d *deployment) labelMoved() error {
	return d.Invoke(fmt.Appendf(nil, `{
		"version": "0", "id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "source": "aws.secretsmanager", "detail-type": "Secret Label Updated",
		"account": "123456789012", "region": "us-east-1", "time": %q, "resources": [%q], "detail": {"labelUpdated": "AWSCURRENT"}}`,
		d.AWS.Clock().Now().Format(time.RFC3339), d.SecretARN))
}

// ECS.

// deployments counts how often each service was deployed since it was made, by
// anyone. A rollback by the circuit breaker is not a deployment.
func (d *deployment) deployments() map[string]int {
	ids := map[string]map[string]bool{} // by service
	for _, event := range d.AWS.Events() {
		change, ok := event.(localecs.DeploymentChanged)
		if !ok {
			continue
		}
		service := change.Service[strings.LastIndexByte(change.Service, '/')+1:]
		if ids[service] == nil {
			ids[service] = map[string]bool{}
		}
		ids[service][change.Deployment] = true
	}
	counts := map[string]int{}
	for service := range ids {
		counts[service] = len(ids[service]) - 1
	}
	return counts
}

// wantDeployments checks how often each service was deployed since it was made.
func (d *deployment) wantDeployments(want int) {
	d.t.Helper()
	got := d.deployments()
	for _, service := range d.Application().Services {
		if got[service] != want {
			d.t.Errorf("%s was deployed %d times, want %d", service, got[service], want)
		}
	}
}

// updateService changes a service, as others than the function do.
func (d *deployment) updateService(in awsecs.UpdateServiceInput) {
	d.t.Helper()
	in.Cluster = aws.String(rig.ClusterName)
	if _, err := awsecs.NewFromConfig(d.AWS.Config()).UpdateService(d.t.Context(), &in); err != nil {
		d.t.Fatal(err)
	}
}

// pipelineDeploys deploys every service, as a CI pipeline does.
func (d *deployment) pipelineDeploys() {
	d.t.Helper()
	for _, service := range d.Application().Services {
		d.updateService(awsecs.UpdateServiceInput{Service: &service, ForceNewDeployment: true})
	}
}

// once lets a fault happen to the first of the function's calls that match.
func once(fault wire.Fault, match func(wire.Call) bool) func(wire.Call) wire.Fault {
	return nth(1, fault, match)
}

// nth lets a fault happen to one of the function's calls that match, counted from 1.
func nth(n int64, fault wire.Fault, match func(wire.Call) bool) func(wire.Call) wire.Fault {
	var seen atomic.Int64
	return func(c wire.Call) wire.Fault {
		if c.Caller.Function != "" && match(c) && seen.Add(1) == n {
			return fault
		}
		return wire.Fault{}
	}
}

// refused answers a call with an error that no SDK retries.
var refused = wire.Fault{Error: &wire.Error{Code: "InvalidParameterException", Message: "once", Status: 400}}

// promotes matches the calls that move AWSCURRENT in finishSecret.
func promotes(c wire.Call) bool {
	return c.Caller.Step == "finishSecret" && c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "VersionStage=AWSCURRENT")
}

// The log and the metrics.

// A mark is how much the function has logged so far.
type mark int

func (d *deployment) mark() mark { return mark(len(d.log.String())) }

// warned checks that one line of the log after the mark, a warning or an error, has
// all texts.
func (d *deployment) warned(from mark, texts ...string) {
	d.t.Helper()
	for line := range strings.Lines(d.log.String()[from:]) {
		if !strings.Contains(line, `"level":"WARN"`) && !strings.Contains(line, `"level":"ERROR"`) {
			continue
		}
		missing := 0
		for _, text := range texts {
			if !strings.Contains(line, text) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	d.t.Errorf("no warning and no error in the log since then has %q", texts)
}

// gauge is the last measurement of the secret's.
func (d *deployment) gauge(name string) float64 {
	d.t.Helper()
	values := d.measured(name)[d.SecretName]
	if len(values) == 0 {
		d.t.Errorf("%s was not measured", name)
		return 0
	}
	return values[len(values)-1]
}

// alarms checks that an operator is called, by a warning with the texts and by the
// metric that the alarm is about.
func (d *deployment) alarms(from mark, texts ...string) {
	d.t.Helper()
	d.warned(from, texts...)
	if d.gauge("AttentionNeeded") == 0 {
		d.t.Error("AttentionNeeded is 0")
	}
}

// calm checks that no operator is called any more.
func (d *deployment) calm() {
	d.t.Helper()
	if n := d.gauge("AttentionNeeded"); n != 0 {
		d.t.Errorf("AttentionNeeded is %v", n)
	}
}

// notices are the lines for people, with which of its ends each tells.
func (d *deployment) notices() (list []string) {
	d.t.Helper()
	for _, line := range d.lines() {
		if end, ok := line["notice"].(string); ok {
			list = append(list, fmt.Sprint(end, ": ", line["message"]))
		}
	}
	return list
}

// noticed is the last notice of an end.
func (d *deployment) noticed(end string) (text string) {
	d.t.Helper()
	for _, notice := range d.notices() {
		if strings.HasPrefix(notice, end+": ") {
			text = notice
		}
	}
	if text == "" {
		d.t.Errorf("there is no notice %s, only %q", end, d.notices())
	}
	return text
}

// A page of Mautic's.

// answering is a login page that answers with a status, and with where it moved to.
type answering struct {
	status atomic.Int64
	url    string
}

// movedTo is where a page redirects to.
const movedTo = "https://www.example.com/s/login"

func newAnswering(t *testing.T) *answering {
	t.Helper()
	page := &answering{}
	page.status.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(page.serve))
	t.Cleanup(server.Close)
	page.url = server.URL
	return page
}

func (p *answering) serve(w http.ResponseWriter, _ *http.Request) {
	status := int(p.status.Load())
	if status >= 300 && status < 400 {
		w.Header().Set("Location", movedTo)
	}
	w.WriteHeader(status)
}

// before answers in place of Mautic's login page, unless the status is 200.
func (p *answering) before(o *rig.Options) {
	o.Pages = func(pages http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/s/login" && p.status.Load() != http.StatusOK {
				p.serve(w, r)
				return
			}
			pages.ServeHTTP(w, r)
		})
	}
}

// noMailFailed checks it for the whole life of the application.
func noMailFailed(ctx context.Context, app *rig.Application) error {
	attempts, failures := app.Mails()
	if attempts == 0 || failures > 0 {
		return fmt.Errorf("%d of %d mails failed", failures, attempts)
	}
	return ctx.Err()
}
