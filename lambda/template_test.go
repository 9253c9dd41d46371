package main

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/template"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/mautic"
)

func readTemplate(t *testing.T) template.Template {
	t.Helper()
	tpl, err := template.Read("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// notInTheTemplate are the settings that name a file, which would have to be in
// the package: they are for servers of one's own.
var notInTheTemplate = []string{"DATABASE_CA_FILE", "SMTP_CA_FILE"}

func TestTheTemplateSetsEveryVariableThatIsRead(t *testing.T) {
	t.Parallel()
	set := readTemplate(t).Function().At("Environment", "Variables")
	var read []string
	for _, s := range known {
		read = append(read, s.name)
		if set[s.name] == nil && !slices.Contains(notInTheTemplate, s.name) {
			t.Errorf("the template does not set %s", s.name)
		}
	}
	for _, name := range set.Keys() {
		if !slices.Contains(read, name) {
			t.Errorf("the template sets %s, which nothing reads", name)
		}
	}
}

func TestTheTemplatesDefaultsAreTheFunctionsOwn(t *testing.T) {
	t.Parallel()
	tpl := readTemplate(t)
	names := regexp.MustCompile(`\$\{(\w+)\}`)
	environment := []string{"SECRET_ARNS=" + arn, "ECS_SERVICES=,,,,", "DATABASE_RDS=false"} // what it puts together
	set := tpl.Function().At("Environment", "Variables")
	for _, name := range set.Keys() {
		text, _ := template.Sub(set[name])
		if ref := set.At(name).Text("Ref"); ref != "" {
			text = "${" + ref + "}"
		}
		if text == "" {
			continue
		}
		environment = append(environment, name+"="+names.ReplaceAllStringFunc(text, func(m string) string {
			return tpl.Parameters.At(strings.Trim(m, "${}")).Text("Default")
		}))
	}
	got, err := readSettings(environment)
	if err != nil {
		t.Fatal(err)
	}
	if want := rotation.DefaultEvery; !maps.Equal(got.every, want) {
		t.Errorf("every %v, want %v", got.every, want)
	}
	got.every = nil
	want, err := readSettings([]string{"SECRET_ARNS=" + arn})
	if err != nil {
		t.Fatal(err)
	}
	// What a package makes of the setting that is left out.
	want.database.TLS = "VERIFY_IDENTITY"
	want.mautic.apiOverlap, want.mautic.hashCost = mautic.DefaultOverlap, mautic.DefaultHashCost
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestTheTemplateTakesEveryKindThatIsOffered(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(readTemplate(t).Parameters.At("RotateKinds").Text("AllowedPattern"))
	if all := strings.Join(offered, ","); !pattern.MatchString(all) {
		t.Errorf("%s does not match %s", all, pattern)
	}
}

func TestTheEventsInTheTemplatesOutputsAreAccepted(t *testing.T) {
	t.Parallel()
	tpl, found := readTemplate(t), map[action]bool{}
	for name := range tpl.Outputs {
		text, _ := template.Sub(tpl.Outputs.At(name)["Value"])
		if payload := regexp.MustCompile(`--payload '([^']+)'`).FindStringSubmatch(text); payload != nil {
			got, err := parse([]byte(strings.ReplaceAll(payload[1], "${Arn}", arn)))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			found[got.action] = true
		}
	}
	if !found[actionReconcile] || !found[actionRelease] {
		t.Errorf("there are %v", found)
	}
}

// watched are the function's own metrics that the template's alarms name.
func watched(tpl template.Template) (found []string) {
	template.Walk(tpl.Resources, func(m template.Map) {
		dimensions, ok := m["Dimensions"].([]template.Value)
		if !ok || m.Text("Namespace") != metricsNamespace {
			return
		}
		var names []string
		for _, dimension := range dimensions {
			names = append(names, dimension.(template.Map).Text("Name"))
		}
		found = append(found, measurement(metricsNamespace, m.Text("MetricName"), names...))
	})
	// The dashboard's are in its JSON, as namespace, name, dimension, value; a dot
	// stands for what is above it.
	body, _ := template.Sub(tpl.Resources.At("Dashboard", "Properties")["DashboardBody"])
	own := regexp.MustCompile(`"` + metricsNamespace + `", "(\w+)", "(\w+)"(?:, "[^"]+"\], \[".", "(\w+)")?`)
	for _, m := range own.FindAllStringSubmatch(body, -1) {
		for _, name := range m[1:] {
			if name != "" && name != m[2] {
				found = append(found, measurement(metricsNamespace, name, m[2]))
			}
		}
	}
	for _, m := range regexp.MustCompile(`\{`+metricsNamespace+`,([\w,]+)\}[^']* MetricName=\\"(\w+)\\"`).FindAllStringSubmatch(body, -1) {
		found = append(found, measurement(metricsNamespace, m[2], strings.Split(m[1], ",")...))
	}
	return found
}

// queried are the function's own metrics that the alarms for all stacks name.
func queried(t *testing.T) (found []string) {
	t.Helper()
	shared, err := os.ReadFile("../docs/examples/many/shared.yaml")
	if err != nil {
		t.Fatal(err)
	}
	query := regexp.MustCompile(`SELECT \w+\((\w+)\) FROM SCHEMA\("` + metricsNamespace + `", ("[^)]+")\)`)
	for _, m := range query.FindAllStringSubmatch(string(shared), -1) {
		found = append(found, measurement(metricsNamespace, m[1], strings.Split(strings.ReplaceAll(m[2], `"`, ""), ", ")...))
	}
	if want := strings.Count(string(shared), "Expression: SELECT "); len(found) != want || want < 5 {
		t.Errorf("%d of %d queries are understood", len(found), want)
	}
	return found
}

func TestEveryMetricThatTheTemplateWatchesIsMeasured(t *testing.T) {
	d := rolledBackBySchedule(deployApplication(t, &rig.Application{CircuitBreaker: true}))
	d.nextScheduledRotation() // is held off
	tick, err := os.ReadFile("../events/schedule.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Invoke(tick); err != nil {
		t.Fatal(err)
	}
	d.reconfigure(map[string]string{"ROTATE_KINDS": "database,webhook"})
	if err := d.rotateWith("only.database.webhook.emergency.0123456789abcdef0123456789abcdef"); err != nil { // of which the secret has one
		t.Fatal(err)
	}
	names, emitted := watched(readTemplate(t)), d.emitted()
	if n := len(names); n < 15 {
		t.Errorf("the template watches %d metrics: %q", n, names)
	}
	for _, name := range append(names, queried(t)...) {
		if !emitted[name] {
			t.Errorf("%s is not measured; these are:\n%s", name, strings.Join(slices.Sorted(maps.Keys(emitted)), "\n"))
		}
	}
}
