package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mautic-rotation/rotation/database"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mautic"
)

// FuzzParse reads events of whatever origin: each is of exactly one shape, or
// none, and the error does not quote it.
func FuzzParse(f *testing.F) {
	samples, err := filepath.Glob("../events/*.json")
	if err != nil || len(samples) == 0 {
		f.Fatalf("no sample events: %v", err)
	}
	for _, sample := range samples {
		raw, err := os.ReadFile(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw), 7)
	}
	for _, raw := range []string{
		"", "null", "[]", `"reconcile"`, "{}", `{"Action":1}`, `{"Action":"abandon"}`, `{"Action":"RECONCILE"}`,
		`{"Step":"createSecret","Action":"abandon","SecretId":"x"}`, `{"action":"release","Action":"abandon","secretid":"x"}`,
		`{"Action":"release","SecretId":"x","source":"aws.ecs","detail-type":"ECS Deployment State Change"}`,
		`{"source":"aws.events","detail-type":"Scheduled Event","Step":"finishSecret"}`,
		strings.Repeat(`{"detail":`, 20000), `{"Step":"` + strings.Repeat("x", 70000) + `"}`,
	} {
		f.Add(raw, 9)
	}
	f.Fuzz(func(t *testing.T, raw string, place int) {
		const canary = "canary-in-the-event"
		if place > 0 {
			place %= len(raw) + 1
			raw = raw[:place] + canary + raw[place:]
		}
		got, err := parse(json.RawMessage(raw))
		if err != nil {
			if got != (request{}) || strings.Contains(err.Error(), canary) {
				t.Fatalf("%+v, and an error: %v", got, err)
			}
			return
		}
		// What the event names, as another reader sees it.
		var members map[string]any
		if err := json.Unmarshal([]byte(raw), &members); err != nil {
			t.Fatalf("what is no JSON object is of a shape: %+v", got)
		}
		given := func(name string) bool {
			for member, value := range members {
				if strings.EqualFold(member, name) && value != "" && value != nil {
					return true
				}
			}
			return false
		}
		isStep := got.step.Step != ""
		switch {
		case isStep == (got.action != "") || isStep && (got.secret != "" || got.tick):
			t.Fatalf("not of one shape: %+v", got)
		case isStep && (given("Action") || given("source")), given("Action") && given("source"):
			t.Fatalf("of two shapes, and taken for one: %+v", got)
		case got.tick && got.action != actionReconcile:
			t.Fatalf("a tick asks for %s", got.action)
		case (got.action == actionAbandon || got.action == actionRelease) && got.secret == "":
			t.Fatalf("%s of no secret", got.action)
		}
	})
}

// FuzzReadSettings sets one variable to anything, beside a whole configuration
// and without: either an error names it, or what it leads to fits together.
func FuzzReadSettings(f *testing.F) {
	whole := []string{
		"SECRET_ARNS=" + arn, "ECS_CLUSTER=c", "ECS_SERVICES=web", "DATABASE_RDS=true", "DATABASE_ADMIN_SECRET_ARN=" + arn,
		"DATABASE_PASSWORD_POINTER=/db/password", "MAUTIC_URL=https://mautic.example.com",
	}
	for i := range known {
		for _, value := range []string{"", ",", " , ", "-1", "0", "true", "/", "/db/password", "https://user:word@host/", arn + ",x", "database=1,database=2", "\xff\x00", "9999999999999999999999", "localhost:0", "a:b:c", "["} {
			f.Add(uint8(i), value, true)
		}
		f.Add(uint8(i), "x", false)
	}
	f.Fuzz(func(t *testing.T, which uint8, value string, beside bool) {
		name := known[int(which)%len(known)].name
		environment := []string{"SECRET_ARNS=" + arn}
		if beside {
			environment = whole
		}
		if name == "DATABASE_CA_FILE" && strings.Trim(value, ". /\t\r\n") != "" {
			return // what there is on this machine is no matter
		}
		s, err := readSettings(append(environment[:len(environment):len(environment)], name+"="+value))
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Fatalf("the error does not name %s: %v", name, err)
			}
			return
		}
		fit(t, s)
		if name == "ROTATE_EVERY_DAYS" && len(s.every) != len(list(value)) {
			t.Errorf("%q is read as %v", value, s.every)
		}
	})
}

// fit checks that settings fit together.
func fit(t *testing.T, s settings) {
	t.Helper()
	if len(s.secretARNs) == 0 {
		t.Error("no secret is served")
	}
	for _, arn := range s.secretARNs {
		if checkARN(arn) != nil {
			t.Errorf("%q is served", arn)
		}
	}
	if (s.cluster == "") != (len(s.services) == 0) {
		t.Errorf("cluster %q of services %q", s.cluster, s.services)
	}
	if len(s.kinds) == 0 || len(kinds(s)) != len(s.kinds) {
		t.Errorf("%q become %d kinds", s.kinds, len(kinds(s)))
	}
	d := s.database
	if d.Port < 0 || d.Port > 65535 || database.ParseWay(d.Way) != nil || database.ParseTLS(d.TLS) != nil {
		t.Errorf("port %d, way %q, TLS %q", d.Port, d.Way, d.TLS)
	}
	if !s.askRDS && (d.Way == "rds" || d.Recovery || d.Instance != "") || d.Way == "admin" && s.adminSecretARN == "" {
		t.Errorf("the way %q, an instance %q or a recovery without what they take", d.Way, d.Instance)
	}
	if d.Endpoint != "" {
		if _, _, err := net.SplitHostPort(net.JoinHostPort(d.Endpoint, "1")); err != nil {
			if _, _, err := net.SplitHostPort(d.Endpoint); err != nil {
				t.Errorf("the endpoint %q: %v", d.Endpoint, err)
			}
		}
	}
	for _, layout := range d.Layouts {
		if _, err := document.ParsePointer(string(layout.Password)); err != nil {
			t.Error(err)
		}
		for _, place := range []document.Pointer{layout.User, layout.Host, layout.Port, layout.Name} {
			if _, err := document.ParsePointer(string(place)); place != "" && err != nil || place == layout.Password {
				t.Errorf("%q is a place: %v", place, err)
			}
		}
	}
	if p := d.Passwords.Generate(); len(p) < 16 || len(p) > 41 {
		t.Errorf("a password of %d characters", len(p))
	}
	if l := s.limits; l.Rollout <= 0 || l.Observe < 0 || l.Watch <= 0 || l.OverlapWithoutServices <= 0 || s.mautic.apiOverlap < 0 {
		t.Errorf("limits %+v", l)
	}
	for kind, every := range s.every {
		if every <= 0 {
			t.Errorf("%s every %s", kind, every)
		}
	}
	if c := s.mautic.hashCost; c != 0 && (c < 10 || c > 15) {
		t.Errorf("a cost of %d", c)
	}
	if s.mauticURL != "" {
		if _, err := mautic.NewHealth(s.mauticURL, http.DefaultClient); err != nil {
			t.Errorf("a URL that cannot be asked: %v", err)
		}
	}
}
