package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEverySampleEventIsOfAShapeThatTheFunctionAccepts(t *testing.T) {
	want := map[string]request{
		"reconcile":      {action: actionReconcile},
		"ecs-deployment": {action: actionReconcile},
		"schedule":       {action: actionReconcile, tick: true},
		"abandon":        {action: actionAbandon, secret: arn},
		"release":        {action: actionRelease, secret: arn},
	}
	files, err := filepath.Glob("../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample events: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if expected, ok := want[name]; ok {
				if got != expected {
					t.Errorf("got %+v, want %+v", got, expected)
				}
				return
			}
			if err := got.step.Validate(); got.action != "" || err != nil || got.step.SecretID != arn {
				t.Errorf("got %+v, %v; want a step", got, err)
			}
		})
	}
}

func TestAnActionForOneSecretNamesIt(t *testing.T) {
	for _, raw := range []string{`{"Action":"abandon"}`, `{"Action":"release"}`} {
		_, err := parse([]byte(raw))
		wantError(t, err, "give its ARN as SecretId")
	}
	_, err := parse([]byte(`{"Action":"rotate"}`))
	wantError(t, err, "unknown event")
}
