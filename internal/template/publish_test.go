package template_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"mautic-rotation/internal/template"
)

// published are what the AWS Serverless Application Repository takes in the metadata
// AWS::ServerlessRepo::Application, by the SAM developer guide, "Metadata section
// properties": length and pattern of each, and whether it has to be there. Author is
// "^[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?$" there: no hyphen at an end, nor two in a row.
var published = map[string]struct {
	most     int
	pattern  string
	required bool
}{
	"Name":            {140, `^[a-zA-Z0-9-]+$`, true},
	"Description":     {256, `.`, true},
	"Author":          {127, `^[a-z0-9]+(-[a-z0-9]+)*$`, true},
	"SpdxLicenseId":   {127, `^[A-Za-z0-9.+-]+$`, true}, // to be public: so that all may use it
	"LicenseUrl":      {1024, `^[A-Za-z.]+$`, true},     // a file, which `sam package` puts into S3
	"ReadmeUrl":       {1024, `^[A-Za-z.]+$`, true},
	"SemanticVersion": {127, `^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`, true},
	"HomePageUrl":     {1024, `^https://`, false},
	"SourceCodeUrl":   {1024, `^https://`, false},
}

var label = regexp.MustCompile(`^[a-zA-Z0-9+\-_:/@]+$`)

// unpublishable tells what the repository does not take of an application.
func unpublishable(t *testing.T, application template.Map) (faults []string) {
	t.Helper()
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for name, takes := range published {
		text, there := application[name].(string)
		switch {
		case !there && takes.required:
			fault("%s is missing, or no text", name)
		case there && (len(text) > takes.most || !regexp.MustCompile(takes.pattern).MatchString(text)):
			fault("%s is %q", name, text)
		}
	}
	labels, _ := application["Labels"].([]template.Value)
	for _, one := range labels {
		if text, ok := one.(string); !ok || len(text) > 127 || !label.MatchString(text) {
			fault("the label %v", one)
		}
	}
	if len(labels) == 0 || len(labels) > 10 {
		fault("%d labels", len(labels))
	}
	for _, name := range application.Keys() {
		if _, known := published[name]; !known && name != "Labels" {
			fault("%s is not known", name)
		}
	}
	for _, name := range []string{"LicenseUrl", "ReadmeUrl"} {
		info, err := os.Stat(filepath.Join("../..", filepath.Base(application.Text(name))))
		if err != nil || info.IsDir() || info.Size() == 0 || info.Size() > 5<<20 {
			fault("%s is no file of at most 5 MB: %v", name, err)
		}
	}
	slices.Sort(faults)
	return faults
}

func TestTheApplicationCanBePublished(t *testing.T) {
	t.Parallel()
	application := read(t).Metadata.At("AWS::ServerlessRepo::Application")
	for _, fault := range unpublishable(t, application) {
		t.Error(fault)
	}
	// And what cannot be is seen.
	for name, value := range map[string]template.Value{
		"Name": "mautic rotation", "Author": "the--maintainers", "SemanticVersion": "2.0", "LicenseUrl": "LICENCE", "SourceCodeURL": "https://example.com",
		"Labels": []template.Value{"secrets manager"}, "Description": template.Map{"Fn::Sub": "${AWS::Region}"},
	} {
		changed := template.Map{name: value}
		for _, its := range application.Keys() {
			if its != name {
				changed[its] = application[its]
			}
		}
		if len(unpublishable(t, changed)) == 0 {
			t.Errorf("%s may be %v", name, value)
		}
	}
}

// A release is the newest in CHANGELOG.md.
func TestThePublishedVersionIsTheChangelogsNewest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\]`).FindSubmatch(text)
	if newest == nil || string(newest[1]) != read(t).Metadata.At("AWS::ServerlessRepo::Application").Text("SemanticVersion") {
		t.Errorf("CHANGELOG.md begins with %q", newest)
	}
}
