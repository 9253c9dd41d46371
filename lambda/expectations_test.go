package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// What tests look at, and what they expect of it.

// wantError checks that err is there and has all of the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil && len(texts) == 0 {
		t.Error("no error")
	}
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got error  %v\nwant in it %s", err, text)
		}
	}
}

// secretState is what the secret has.
func (d *deployment) secretState() localsecretsmanager.SecretState {
	d.t.Helper()
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		d.t.Fatal(err)
	}
	return state
}

// labelled is the version with the label; none has the zero value.
func (d *deployment) labelled(label string) localsecretsmanager.VersionState {
	d.t.Helper()
	return d.secretState().Labelled(label)
}

// raw is the whole value of the version with the label.
func (d *deployment) raw(label string) string {
	d.t.Helper()
	return d.labelled(label).Value
}

// password is the database password of the version with the label.
func (d *deployment) password(label string) string {
	d.t.Helper()
	password, err := d.PasswordLabelled(label)
	if err != nil {
		d.t.Fatal(err)
	}
	return password
}

// textAt is a field of a document, which has to be there.
func textAt(t *testing.T, value string, at document.Pointer) string {
	t.Helper()
	doc, err := document.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	text, err := doc.Text(at)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// accepts checks whether the server takes the passwords.
func (d *deployment) accepts(want bool, passwords ...string) {
	d.t.Helper()
	for i, p := range passwords {
		if err := d.Login(d.t.Context(), p); (err == nil) != want {
			d.t.Errorf("password %d of %d: login gives %v, want accepted: %v", i+1, len(passwords), err, want)
		}
	}
}

// everyOtherPasswordIsRefused checks it of all that a version has ever held.
func (d *deployment) everyOtherPasswordIsRefused() {
	d.t.Helper()
	current, others := d.password("AWSCURRENT"), 0
	for _, v := range d.secretState().Versions {
		if password := rig.PasswordIn(v.Value); password != "" && password != current {
			d.accepts(false, password)
			others++
		}
	}
	if others == 0 {
		d.t.Error("no version holds another password")
	}
}

// journal are the labels of the function's journal.
func (d *deployment) journal() string {
	d.t.Helper()
	labels, err := d.Journal()
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(labels, "\n")
}

// isHeld checks that the overlap waits for an operator.
func (d *deployment) isHeld() {
	d.t.Helper()
	if !strings.Contains(d.journal(), "=held") {
		d.t.Errorf("not held: %s", d.journal())
	}
}

// redeploys counts how often a service was redeployed.
func (d *deployment) redeploys() (n int) {
	for _, call := range d.AWS.Calls() {
		if call.Operation == "UpdateService" {
			n++
		}
	}
	return n
}

// hangTime is far more than what is waited for takes, on any machine.
const hangTime = 2 * time.Minute

// noLoginFailed checks it for the whole life of the application, whose running
// tasks first log in once more.
func (d *deployment) noLoginFailed() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), hangTime)
	defer cancel()
	if err := d.Application().NoLoginFailed(ctx); err != nil {
		d.t.Error(err)
	}
}

// tasksHave checks that all running tasks have read a password, and that there
// are any.
func (d *deployment) tasksHave(password string) {
	d.t.Helper()
	running := 0
	for _, task := range d.Application().Records() {
		if !task.Stopped.IsZero() {
			continue
		}
		running++
		if task.Password != password {
			d.t.Errorf("a task of %s goes on with another password", task.Service)
		}
	}
	if running == 0 {
		d.t.Error("no task runs")
	}
}

// logSays checks that the function has logged each of the texts.
func (d *deployment) logSays(texts ...string) {
	d.t.Helper()
	for _, text := range texts {
		if !strings.Contains(d.log.String(), text) {
			d.t.Errorf("the log does not say %s", text)
		}
	}
}

// lines are the function's log, parsed.
func (d *deployment) lines() (lines []map[string]any) {
	d.t.Helper()
	for text := range strings.Lines(d.log.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			d.t.Errorf("a line of the log is not JSON: %s", text)
		}
		lines = append(lines, line)
	}
	return lines
}

// measured are the values of a metric in the log, for each set of dimensions
// that it is written under.
func (d *deployment) measured(name string) map[string][]float64 {
	d.t.Helper()
	found := map[string][]float64{}
	for _, line := range d.lines() {
		value, ok := line[name].(float64)
		if !ok || line["_aws"] == nil {
			continue
		}
		var key []string
		for _, dimension := range []string{"Secret", "Step", "Kind"} {
			if text, ok := line[dimension].(string); ok {
				key = append(key, text)
			}
		}
		at := strings.Join(key, " ")
		found[at] = append(found[at], value)
	}
	return found
}

// measurement is a metric with the dimensions it is under.
func measurement(namespace, name string, dimensions ...string) string {
	slices.Sort(dimensions)
	return fmt.Sprintf("%s %s by %s", namespace, name, strings.Join(dimensions, ", "))
}

// emitted are the metrics in the function's log so far.
func (d *deployment) emitted() map[string]bool {
	found := map[string]bool{}
	for text := range strings.Lines(d.log.String()) {
		var line struct {
			AWS struct {
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name string }
				}
			} `json:"_aws"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			d.t.Fatal(err)
		}
		for _, m := range line.AWS.CloudWatchMetrics {
			for _, dimensions := range m.Dimensions {
				for _, metric := range m.Metrics {
					found[measurement(m.Namespace, metric.Name, dimensions...)] = true
				}
			}
		}
	}
	return found
}
