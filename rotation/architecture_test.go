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

	"mautic-rotation/rotation/ledger"
)

// page is a file of docs/.
func page(t *testing.T, name string) string {
	t.Helper()
	return source(t, "../docs/"+name)
}

func source(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func architecture(t *testing.T) string {
	t.Helper()
	return page(t, "architecture.md")
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

var labelOnPage = regexp.MustCompile(`rotation;2;[0-9a-f]{8};\S+`)

func TestTheLabelsInTheDocsAreThoseThatTheLedgerReads(t *testing.T) {
	t.Parallel()
	versions := map[string]string{"df431427": "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e", "e5a1f6c6": "9c11b2aa-5a0e-4d0c-9f57-0123456789ab"}
	for _, name := range []string{"architecture.md", "operate.md"} {
		labels := labelOnPage.FindAllString(page(t, name), -1)
		if len(labels) != 2 {
			t.Errorf("%s has %d labels", name, len(labels))
		}
		for _, label := range labels {
			version := versions[strings.Split(label, ";")[2]]
			book, err := ledger.Read(map[string][]string{version: {label}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if again, err := book.Page(version).Label(); err != nil || again != label {
				t.Errorf("%s: %s is written as %s (%v)", name, label, again, err)
			}
		}
	}
}

func TestTheDocsHaveARowForEveryStateOfTheLedger(t *testing.T) {
	t.Parallel()
	states := regexp.MustCompile(`State = "([a-z]+)"`).FindAllStringSubmatch(source(t, "ledger/ledger.go"), -1)
	if len(states) < 11 {
		t.Fatalf("only %d states were found", len(states))
	}
	for _, name := range []string{"architecture.md", "operate.md"} {
		text := page(t, name)
		for _, state := range states {
			if !strings.Contains(text, "\n| `"+state[1]+"` | ") {
				t.Errorf("%s has no row for the state %s", name, state[1])
			}
		}
	}
}

var (
	whyOnPage = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	literal   = regexp.MustCompile(`"((?:[^"\\]|\\.){12,})"`)
	verb      = regexp.MustCompile(`%[a-z]`)
)

// Operators look alarms up by their text.
func TestTheDocsHaveARowForEveryAlarmOfADecision(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(page(t, "operate.md"), "### What an alarm line says\n")
	section, _, _ = strings.Cut(section, "\n## ")
	decide := source(t, "plan/decide.go") + source(t, "plan/wanted.go") + source(t, "plan/rollout.go") + source(t, "plan/old.go")
	var rows []string
	for _, m := range whyOnPage.FindAllStringSubmatch(section, -1) {
		for part := range strings.SplitSeq(m[1], "…") {
			if part = strings.Trim(part, " ;:()"); len(part) < 12 {
				continue
			}
			rows = append(rows, part)
			if _, tail, _ := strings.Cut(part, "since "); !strings.Contains(decide, part) && (tail == "" || !strings.Contains(decide, tail)) {
				t.Errorf("no decision says %q", part)
			}
		}
	}
	looked := 0
	_, refusals, _ := strings.Cut(decide, "func mayRollBack(")
	refusals, _, _ = strings.Cut(refusals, "\nfunc ")
	lines := strings.Split(refusals, "\n")
	for line := range strings.Lines(decide) {
		if strings.Contains(line, "do(Alarm, ") || strings.Contains(line, "Do: Alarm") || strings.Contains(line, "a.Why = Alarm") {
			lines = append(lines, line)
		}
	}
	for _, line := range lines {
		for _, m := range literal.FindAllStringSubmatch(line, -1) {
			if m[1] == "the rollout has converged" {
				continue // then nothing has failed
			}
			looked++
			for part := range strings.SplitSeq(verb.ReplaceAllString(m[1], "…"), "…") {
				part = strings.Trim(part, " ;:()")
				if len(part) >= 12 && !slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, part) || strings.Contains(part, row) }) {
					t.Errorf("docs/operate.md has no row for the alarm %q", m[1])
				}
			}
		}
	}
	if looked < 12 {
		t.Errorf("only %d texts of alarms were found", looked)
	}
}
