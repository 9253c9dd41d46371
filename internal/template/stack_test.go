package template_test

import (
	"os"
	"sync"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/template/rows"
)

// parsing is done once: rendering a template does not change it.
var parsing = sync.OnceValues(func() (*cloudformation.Template, error) {
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		return nil, err
	}
	return cloudformation.Parse(text)
})

// parse is the template, to be rendered as CloudFormation would.
func parse(t *testing.T) *cloudformation.Template {
	t.Helper()
	parsed, err := parsing()
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

var (
	arnOf           = rows.ARNOf
	changedTo       = rows.ChangedTo
	with            = rows.With
	creating, given = rows.Creating, rows.Given
	full            = rows.Full
)

func render(t *testing.T, parsed *cloudformation.Template, o cloudformation.Options) *cloudformation.Stack {
	t.Helper()
	stack, err := parsed.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}
