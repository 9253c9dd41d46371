package rotation_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// architecture is docs/architecture.md.
func architecture(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

var arrow = regexp.MustCompile(`(?m)^\s+([a-z/]+) --> ([a-z/]+(?: & [a-z/]+)*)$`)

func TestTheDiagramOfPackagesAgreesWithTheImports(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(architecture(t), "## Packages\n")
	diagram, _, _ := strings.Cut(section, "\n## ")
	drawn := map[string][]string{}
	for _, m := range arrow.FindAllStringSubmatch(diagram, -1) {
		drawn[m[1]] = strings.Split(m[2], " & ")
	}
	if len(drawn) < 8 {
		t.Fatalf("only %d packages have an arrow", len(drawn))
	}
	imports := importsBelow(t, ".")
	for name, imported := range importsBelow(t, "../lambda") {
		if name != "lambda" {
			t.Fatalf("a package %s in lambda", name)
		}
		imports["lambda"] = imported
	}
	for name, imported := range imports {
		imported = slices.DeleteFunc(slices.Clone(imported), func(other string) bool { return other == "internal/scrub" })
		slices.Sort(imported)
		slices.Sort(drawn[name])
		if !slices.Equal(imported, drawn[name]) {
			t.Errorf("%s imports %v, and the diagram has %v", name, imported, drawn[name])
		}
	}
}

var (
	// fileInTable is a file with the functions that a table of the page names.
	fileInTable = regexp.MustCompile("`([a-z/]+\\.go)`(?:: | \\| )(`[A-Za-z]+`(?:, `[A-Za-z]+`)*)")
	nameInTable = regexp.MustCompile("`([A-Za-z]+)`")
)

func TestEveryFunctionThatTheArchitectureNamesIsInItsFile(t *testing.T) {
	t.Parallel()
	found := 0
	for _, m := range fileInTable.FindAllStringSubmatch(architecture(t), -1) {
		declared := declaredIn(t, filepath.Join("..", m[1]))
		for _, name := range nameInTable.FindAllStringSubmatch(m[2], -1) {
			found++
			if !slices.Contains(declared, name[1]) {
				t.Errorf("%s has no %s", m[1], name[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d functions were found in the page", found)
	}
}

// declaredIn are the functions, methods and types of a file.
func declaredIn(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, d.Name.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}
