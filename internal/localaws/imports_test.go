package localaws_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Host knows nothing of the stand-in, wire knows host, a service knows these two, and only the root and the tests' helpers
// know services.
func TestServicesKnowEachOtherByInterfacesOnly(t *testing.T) {
	t.Parallel()
	const root = "mautic-rotation/internal/localaws"
	allowed := func(from, to string) bool {
		switch from {
		case ".", "localtest":
			return true
		case "host":
			return false
		case "wire":
			return to == "host"
		}
		return to == "host" || to == "wire"
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		if strings.Contains(file, "testdata") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(file))
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if imported != root && !strings.HasPrefix(imported, root+"/") {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(imported, root), "/")
			seen[from] = true
			if !allowed(from, to) {
				t.Errorf("%s imports %s: declare the interface that it needs, and let the root wire it", file, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{
		"cloudformation", "cloudtrail", "ecs", "eventbridge", "iam", "lambda", "logs", "rds", "secretsmanager", "ses", "sns", "sts", "tagging", "wire",
	} {
		if !seen[service] {
			t.Errorf("no import of %s was looked at", service)
		}
	}
	if allowed("ecs", "secretsmanager") || allowed("wire", "iam") || allowed("host", "wire") || allowed("rds", "") {
		t.Error("the rule allows what it is to forbid")
	}
}
