package rotation_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "mautic-rotation/"

// mayImport are the packages of this module that each package may import. Kinds
// implement the contract and the engine calls it, so neither imports the other,
// and no kind imports another.
var mayImport = map[string][]string{
	"rotation":            {"internal/scrub", "rotation/copies", "rotation/credential", "rotation/document", "rotation/ledger", "rotation/plan", "rotation/report", "rotation/rollout", "rotation/secret"},
	"rotation/copies":     nil,
	"rotation/credential": {"rotation/copies", "rotation/document"},
	"rotation/database":   {"internal/scrub", "rotation/copies", "rotation/credential", "rotation/document", "rotation/mysql", "rotation/password", "rotation/rds"},
	"rotation/document":   nil,
	"rotation/ecs":        {"rotation/credential", "rotation/rollout"},
	"rotation/ledger":     nil,
	"rotation/mautic":     {"rotation/copies", "rotation/credential", "rotation/document", "rotation/mysql", "rotation/password", "rotation/rollout"},
	"rotation/mysql":      nil,
	"rotation/password":   nil,
	"rotation/plan":       {"rotation/ledger", "rotation/rollout"},
	"rotation/rds":        nil,
	"rotation/report":     nil,
	"rotation/rollout":    nil,
	"rotation/secret":     {"rotation/document"},
	"rotation/smtp":       {"internal/scrub", "rotation/copies", "rotation/credential", "rotation/document"},
}

func TestPackagesImportEachOtherInOneDirectionOnly(t *testing.T) {
	t.Parallel()
	imports := importsBelow(t, ".")
	if found, known := slices.Sorted(maps.Keys(imports)), slices.Sorted(maps.Keys(mayImport)); !slices.Equal(found, known) {
		t.Errorf("the packages are %s\nand the rules are for %s", found, known)
	}
	for name, imported := range imports {
		for _, other := range imported {
			if !slices.Contains(mayImport[name], other) {
				t.Errorf("%s imports %s: see Packages in docs/architecture.md for who may know whom", name, other)
			}
		}
		for _, other := range mayImport[name] {
			if !slices.Contains(imported, other) {
				t.Errorf("%s may import %s, and does not: take the rule away", name, other)
			}
		}
	}
}

// importsBelow are what the packages in a directory's tree import of this module,
// but for their tests.
func importsBelow(t *testing.T, dir string) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(filepath.Join("rotation", filepath.Dir(path)))
		if _, found := imports[name]; !found {
			imports[name] = nil
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if below, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(imports[name], below) {
				imports[name] = append(imports[name], below)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}
