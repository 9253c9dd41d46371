package main

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each other test of a deployment ends with the search that this one plants
// values for.
func TestTheSearchFindsAValueThatIsPlanted(t *testing.T) {
	d := deploy(t, shipped)
	d.mustRotate()
	values, err := d.SecretValues()
	if err != nil {
		t.Fatal(err)
	}
	current := d.password("AWSCURRENT")
	finds := func(where string, wanted bool) {
		t.Helper()
		findings, err := d.Leaks(t.Context(), values)
		if err != nil {
			t.Fatal(err)
		}
		if found := strings.Contains(strings.Join(findings, "\n"), where+": database_password of version"); found != wanted {
			t.Errorf("%s: found: %v, wanted %v", where, found, wanted)
		}
	}

	label := hex.EncodeToString([]byte(current))
	version := d.labelled("AWSCURRENT").ID
	finds("the description of "+d.SecretName, false)
	d.moveLabel(label, version, "")
	finds("the description of "+d.SecretName, true)
	d.moveLabel(label, "", version)
	d.mustReconcile()

	file := filepath.Join(d.TempDir(), "planted")
	finds("a temporary file", false)
	if err := os.WriteFile(file, []byte(`{"p":"`+base64.StdEncoding.EncodeToString([]byte("user:"+current))+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	finds("a temporary file", true)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}

	finds("a process's environ", false)
	d.reconfigure(map[string]string{"PLANTED": current})
	d.mustReconcile()
	finds("a process's environ", true)
	d.reconfigure(map[string]string{"PLANTED": ""})

	if values.In(d.log.String()) != nil || values.In(d.log.String()+"\nline with "+current) == nil {
		t.Error("the log is not searched as it should be")
	}
}
