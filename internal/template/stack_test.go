package template_test

import (
	"os"
	"testing"

	"mautic-rotation/internal/cloudformation"
)

// parse is the template, to be rendered as CloudFormation would.
func parse(t *testing.T) *cloudformation.Template {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := cloudformation.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
