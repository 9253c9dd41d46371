package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation"
)

const (
	token        = "9c11b2aa-5a0e-4d0c-9f57-0123456789ab"
	tokenOfTest  = "4f6d2c1e-8a90-4b7d-b6c3-abcdef012345"
	tokenInWords = "only.database.emergency." + token
)

// samples are what the function makes of the files in events/.
var samples = map[string]request{
	"create-secret":          {step: rotation.Event{Step: rotation.CreateSecret, SecretID: arn, Token: token}},
	"create-secret-in-words": {step: rotation.Event{Step: rotation.CreateSecret, SecretID: arn, Token: tokenInWords}},
	"set-secret":             {step: rotation.Event{Step: rotation.SetSecret, SecretID: arn, Token: token}},
	"test-secret":            {step: rotation.Event{Step: rotation.TestSecret, SecretID: arn, Token: token}},
	// A rotation that is only tried is the same step, of a version without a
	// value: `aws secretsmanager rotate-secret --no-rotate-immediately`.
	"test-only":      {step: rotation.Event{Step: rotation.TestSecret, SecretID: arn, Token: tokenOfTest}},
	"finish-secret":  {step: rotation.Event{Step: rotation.FinishSecret, SecretID: arn, Token: token}},
	"ecs-deployment": {action: actionReconcile, event: true},
	"secret-label-updated": {
		action: actionReconcile, event: true, secret: arn,
		moved: time.Date(2026, 11, 22, 12, 33, 7, 0, time.UTC), movedTo: "9c11b2aa-5a0e-4d0c-9f57-0123456789ab",
	},
	"schedule":      {action: actionReconcile, tick: true},
	"reconcile":     {action: actionReconcile},
	"reconcile-one": {action: actionReconcile, secret: arn},
	"status":        {action: actionStatus},
	"preflight":     {action: actionPreflight, secret: arn},
	"verify":        {action: actionVerify, secret: arn},
	"abandon":       {action: actionAbandon, secret: arn},
	"release":       {action: actionRelease, secret: arn},
	"roll-back":     {action: actionRollBack, secret: arn},
}

func TestThereIsASampleEventOfEveryShapeThatTheFunctionAccepts(t *testing.T) {
	files, err := filepath.Glob("../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		names = append(names, name)
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got != samples[name] {
			t.Errorf("%s: got %+v, want %+v", name, got, samples[name])
		}
		if err := got.step.Validate(); got.action == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(samples)); !slices.Equal(names, want) {
		t.Errorf("the files are %q, want %q", names, want)
	}
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
		wantSample(t, string(step), func(r request) bool { return r.step.Step == step })
	}
	for _, one := range []action{actionReconcile, actionAbandon, actionRelease, actionRollBack, actionPreflight, actionVerify} {
		wantSample(t, string(one), func(r request) bool { return r.action == one && r.secret != "" })
	}
	wantSample(t, "for all secrets", func(r request) bool { return r.action == actionReconcile && r.secret == "" && !r.tick })
	wantSample(t, "a tick", func(r request) bool { return r.tick })
	wantSample(t, "a deployment of ECS's", func(r request) bool { return r.event && r.moved.IsZero() })
	wantSample(t, "a move of AWSCURRENT", func(r request) bool { return r.event && !r.moved.IsZero() && r.secret != "" })
}

func wantSample(t *testing.T, what string, is func(request) bool) {
	t.Helper()
	if !slices.ContainsFunc(slices.Collect(maps.Values(samples)), is) {
		t.Errorf("no sample event: %s", what)
	}
}

// Secrets Manager's guide has one label in the event. A list, as in a pattern of rules, is
// read too, and a label that is not AWSCURRENT is no move of it.
func TestTheLabelOfAMoveMayStandAloneOrInAList(t *testing.T) {
	for label, moved := range map[string]bool{`"AWSCURRENT"`: true, `["AWSCURRENT"]`: true, `["a", "AWSCURRENT"]`: true, `"rotate;all"`: false, `[]`: false} {
		got, err := parse([]byte(`{"source": "aws.secretsmanager", "detail-type": "Secret Label Updated", "time": "2026-11-22T12:33:07Z",
			"resources": ["` + arn + `"], "detail": {"labelUpdated": ` + label + `}}`))
		if err != nil || got.moved.IsZero() == moved || got.secret != arn {
			t.Errorf("%s: %+v, %v", label, got, err)
		}
	}
}

func TestAnActionForOneSecretNamesIt(t *testing.T) {
	for _, raw := range []string{`{"Action":"abandon"}`, `{"Action":"release"}`, `{"Action":"roll-back"}`} {
		_, err := parse([]byte(raw))
		wantError(t, err, "give its ARN as SecretId")
	}
	_, err := parse([]byte(`{"Action":"rotate"}`))
	wantError(t, err, "unknown event")
}

// payload is an operator's event in a command of the docs.
var payload = regexp.MustCompile(`--payload '([^']+)'`)

func TestEveryEventInTheDocsIsOneThatTheFunctionAccepts(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[action]int{}
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range payload.FindAllStringSubmatch(string(text), -1) {
			got, err := parse([]byte(strings.ReplaceAll(m[1], "<ARN>", arn)))
			if err != nil || got.action == "" {
				t.Errorf("%s: %s: %v", page, m[1], err)
			}
			found[got.action]++
		}
	}
	for _, one := range []action{actionReconcile, actionAbandon, actionRelease, actionRollBack, actionStatus, actionPreflight, actionVerify} {
		if found[one] == 0 {
			t.Errorf("no page tells how to %s", one)
		}
	}
}
