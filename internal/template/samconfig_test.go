package template_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/samconfig"
)

// overrides are the parameters that samconfig.toml gives, by the environment.
func overrides(t *testing.T) map[string]map[string]string {
	t.Helper()
	environments, err := samconfig.Read("../../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for name, environment := range environments {
		found[name] = environment.Parameters
	}
	return found
}

func TestSamconfigGivesParametersThatTheTemplateTakes(t *testing.T) {
	t.Parallel()
	tpl, all := read(t), overrides(t)
	for _, environment := range []string{"dev", "staging", "prod"} {
		given := all[environment]
		if len(given) < 5 {
			t.Errorf("%s gives %v", environment, given)
		}
		for name, text := range given {
			if !slices.Contains(tpl.Parameters.Keys(), name) {
				t.Errorf("%s: the template has no parameter %s", environment, name)
			} else if why := refused(tpl.Parameters.At(name), text); why != "" {
				t.Errorf("%s: %s: %s", environment, name, why)
			}
		}
	}
}

func TestTheMakefileNamesWhatTheTemplateHas(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	// SAM's builder calls the target by the resource's name.
	for name := range tpl.Resources {
		if tpl.Resources.At(name, "Metadata").Text("BuildMethod") == "makefile" && !strings.Contains(string(text), "\nbuild-"+name+":\n") {
			t.Errorf("the Makefile has no target build-%s", name)
		}
	}
}

// A default would be a stack that nobody has asked for: dev is deployed without a question.
func TestNoStackIsTouchedThatIsNotNamed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"check-stack", "deploy", "preflight", "rotate", "logs", "status"} {
		for _, env := range []string{"", "prod"} {
			dry := exec.Command("make", "-n", "-C", "../..", target, "ENV="+env) // it prints, and runs nothing
			out, err := dry.CombinedOutput()
			if asked := strings.Contains(string(out), "which stack?"); (env == "") != asked || (env == "") != (err != nil) {
				t.Errorf("make %s ENV=%s: %v: %s", target, env, err, out)
			}
		}
	}
}
