package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation"
)

func TestEachChangeHasAnAuditLineAndTheEndANotice(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	d.mustSettle()
	var changes, notices []string
	for _, line := range d.lines() {
		if change, ok := line["audit"].(string); ok {
			changes = append(changes, change)
			if line["requestId"] == "" || line["secret"] != d.SecretARN || line["version"] == nil && line["of"] == nil && change != "redeployed" {
				t.Errorf("%s: who, what or when is missing: %v", change, line)
			}
		}
		if end, ok := line["notice"].(string); ok {
			notices = append(notices, end)
			if text, _ := line["message"].(string); !strings.HasPrefix(text, "mautic-prod-secrets: ") {
				t.Errorf("the notice does not begin with the secret's name: %s", text)
			}
		}
	}
	if want := []string{"stored", "set", "promoted", "redeployed", "redeployed", "quarantined", "retired"}; !slices.Equal(changes, want) {
		t.Errorf("changes %v, want %v", changes, want)
	}
	if want := []string{"promoted", "retired"}; !slices.Equal(notices, want) {
		t.Errorf("notices %v, want %v", notices, want)
	}
}

func TestWhatAnAlarmNeedsIsMeasured(t *testing.T) {
	app := &rig.Application{CircuitBreaker: true}
	d := deployApplication(t, app)
	tick, err := os.ReadFile("../events/schedule.json")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d.mustRotate()
	if err := d.Invoke(tick); err != nil {
		t.Fatal(err)
	}
	d.mustSettle()
	passed := time.Since(began).Seconds() + 1 // AWS tells its time to the second alone
	for _, step := range steps {
		if failures := d.measured("Failures")["mautic-prod-secrets "+step]; !slices.Equal(failures, []float64{0}) {
			t.Errorf("%s: failures %v", step, failures)
		}
		if times := d.measured("Time")["mautic-prod-secrets "+step]; len(times) != 1 || times[0] < 0 || times[0] > 1000*passed {
			t.Errorf("%s: times %v", step, times)
		}
	}
	if ages := d.measured("CredentialAge")["mautic-prod-secrets database"]; len(ages) != 1 || ages[0] < 0 || ages[0] > passed {
		t.Errorf("ages %v, of a password that is at most %f s old", ages, passed)
	}
	if overlaps := d.measured("OverlapTime")["mautic-prod-secrets database"]; len(overlaps) != 1 || overlaps[0] < 0 || overlaps[0] > passed {
		t.Errorf("overlaps %v", overlaps)
	}
	for _, name := range []string{"HeldOverlaps", "OpenOverlapTime", "AttentionNeeded"} {
		if values := d.measured(name)["mautic-prod-secrets"]; len(values) == 0 || slices.Max(values) > passed {
			t.Errorf("%s: %v", name, values)
		}
	}

	app.Broken.Store(true)
	d.mustRotate()
	d.awaitFailedRollouts()
	app.Broken.Store(false) // it takes the first password of all alone
	d.mustReconcile()
	if rollbacks := d.measured("Rollbacks")["mautic-prod-secrets"]; !slices.Equal(rollbacks, []float64{1}) {
		t.Errorf("rollbacks %v", rollbacks)
	}
	d.mustSettle()
}

func TestNothingIsMeasuredWhereNoMetricsAreWanted(t *testing.T) {
	t.Parallel()
	for unmeasured, want := range map[bool]bool{true: false, false: true} {
		var out strings.Builder
		m := newMetrics(&out, "mautic-rotation", unmeasured)
		m.Put(arn, rotation.Metric{Name: "HeldOverlaps", Unit: "Count", Value: 1})
		m.step(arn, "createSecret", 5, false)
		if got := out.Len() > 0; got != want {
			t.Errorf("unmeasured is %t: %q", unmeasured, out.String())
		}
	}
}

func TestMetricsAreInCloudWatchsEmbeddedFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	metrics{out: &out}.Put(arn, rotation.Metric{Name: "CredentialAge", Unit: "Seconds", Value: 1.5, Kind: "database"})
	var line struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
		Secret, Kind  string
		CredentialAge float64
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("not one line of JSON: %s", out.String())
	}
	m := line.AWS.CloudWatchMetrics
	if line.AWS.Timestamp < 1_700_000_000_000 || len(m) != 1 || m[0].Namespace != "MauticSecretRotation" ||
		!slices.Equal(m[0].Dimensions[0], []string{"Kind", "Secret"}) || m[0].Metrics[0].Name != "CredentialAge" || m[0].Metrics[0].Unit != "Seconds" {
		t.Errorf("got %s", out.String())
	}
	if line.Kind != "database" || line.Secret != "mautic-prod-secrets" || line.CredentialAge != 1.5 {
		t.Errorf("got %s", out.String())
	}
}
