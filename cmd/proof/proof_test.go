package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/crash"
	"mautic-rotation/internal/explore"
)

const module = "../.."

func moduleChecks(t *testing.T) []check {
	t.Helper()
	all, err := allChecks(module)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table names the code that it is for, so it need not be written anew with each change of the code; a check that is
// added or removed has to show in it.
func TestThePagesTableIsThatOfTheRecordAndOfTodaysChecks(t *testing.T) {
	t.Parallel()
	results, err := readRecord(filepath.Join(module, recordFile))
	if err != nil {
		t.Fatal(err)
	}
	_, has, _, err := splitPage(read(t, filepath.Join(module, pageFile)))
	if err != nil {
		t.Fatal(err)
	}
	at, err := codeOf(has)
	if err != nil {
		t.Fatal(err)
	}
	if want := table(moduleChecks(t), results, at); has != want {
		t.Errorf("%s has\n%s\ninstead of\n%s\nrun: go run ./cmd/proof -table", pageFile, has, want)
	}
}

func TestThereIsACheckForEachScenarioAndTarget(t *testing.T) {
	t.Parallel()
	byGroup, names := map[*group]int{}, map[string]bool{}
	for _, c := range moduleChecks(t) {
		byGroup[c.of]++
		if names[c.name] {
			t.Errorf("two checks are called %s", c.name)
		}
		names[c.name] = true
	}
	for _, of := range groups {
		if byGroup[of] == 0 {
			t.Errorf("%s has no check", of.title)
		}
	}
	if n := byGroup[&crashMySQL]; n != len(crash.Scenarios) {
		t.Errorf("%d checks run the crash matrix on MySQL", n)
	}
	if n := byGroup[&exploreTwo]; n != len(explore.Scenarios()) {
		t.Errorf("%d checks run the explorer with two disturbances", n)
	}
	if n := byGroup[&fuzz]; n < 20 || !names["fuzz/lambda:FuzzParse"] || !names["fuzz/rotation/ledger:FuzzRead"] {
		t.Errorf("%d checks fuzz", n)
	}
	for _, name := range []string{"crash/mariadb/plain", "explore/rotation-left"} {
		if !names[name] {
			t.Errorf("no check is called %s", name)
		}
	}
	if names["crash/mariadb/rds"] {
		t.Error("what is the same on MariaDB is to run there")
	}
}

// A command that says its results in other words would fail here only after hours.
func TestTheCommandsStillPrintWhatIsReadOfThem(t *testing.T) {
	t.Parallel()
	for file, formats := range map[string][]string{
		"cmd/crash/main.go":                {"%d trials in %s: %d violations"},
		"cmd/explore/main.go":              {"d histories", "d states", "d violations"},
		"cmd/explore/rows.go":              {"rows of decide reached: %d of %d"},
		"cmd/mutate/main.go":               {"%d of %d mutations seen"},
		"rotation/database/matrix_test.go": {"func TestPolicyMatrix(", `t.Run("on", `, `strings.Join([]string{r.name, way, e.name}, "/")`},
		"tools/timed":                      {"'%s %s in ", "outcome=passed"},
		"tools/busy":                       {"for run in 1 2 3;"},
		"Makefile":                         {`"make test"`, `"make race"`, "-fuzztime=$(or $(FUZZTIME),30s)", "echo '$(TARGET)'"},
	} {
		text := read(t, filepath.Join(module, file))
		for _, format := range formats {
			if !strings.Contains(text, format) {
				t.Errorf("%s does not have %q any more: see counts.go", file, format)
			}
		}
	}
}

func TestWhatACommandPrintsIsCounted(t *testing.T) {
	t.Parallel()
	const (
		trials  = "\nplain: a rotation\nplain: 30 of 712 trials, 0 of them with a violation\n712 trials in 20m0s\n\n%s trials in 20m1s: %s violations\n"
		tests   = "ok  \tmautic-rotation/lambda\t12.3s\nok  \tmautic-rotation/internal/awscli\t0.1s [no tests to run]\n?   \tmautic-rotation/cmd/crash\t[no test files]\nmake test passed in 1m02s\n"
		cell    = "        --- PASS: TestPolicyMatrix/on/mysql-9.7/none,_as_in_RDS's/self/retired (0.10s)\n"
		fuzzing = "FuzzRead in ./rotation/ledger\nfuzz: elapsed: 0s, gathering baseline coverage: 3/3 completed, now fuzzing with 2 workers\nfuzz: elapsed: 3s, execs: 7 (2/sec), new interesting: 0 (total: 3)\n"
	)
	said := func(format string, with ...string) string {
		for _, w := range with {
			format = strings.Replace(format, "%s", w, 1)
		}
		return format
	}
	searched := func(histories, violations string) string {
		return said("plain                     %s histories     9001 states     2.0s   %s violations\n1 scenarios with at most 2 disturbances: %s histories, 3 of them up to a known state, and 4 ends; 9001 states, 77 a second; 5 calls\n", histories, violations, histories)
	}
	for _, c := range []struct {
		name, output string
		read         reader
		want, fails  string
	}{
		{"crash", said(trials, "712", "0"), readCrash, "712 trials, 0 violations", ""},
		{"crash with a violation", said(trials, "712", "2"), readCrash, "712 trials, 2 violations", "2 violations"},
		{"crash without a trial", said(trials, "0", "0"), readCrash, "0 trials, 0 violations", "0 trials"},
		{"crash that says nothing", "against MySQL\n", readCrash, "", "does not tell how many trials"},
		{"explore", searched("1234", "0"), readExplore, "1234 histories, 9001 states, 0 violations", ""},
		{"explore with violations", searched("1234", "10"), readExplore, "1234 histories, 9001 states, 10 violations", "10 violations"},
		{"explore without a history", searched("0", "0"), readExplore, "0 histories, 9001 states, 0 violations", "0 histories"},
		{"rows", searched("12", "0") + "rows of decide reached: 99 of 99\n", readRows, "99 rows reached, 12 histories, 9001 states, 0 violations", ""},
		{"a row is not reached", searched("12", "0") + "rows of decide reached: 98 of 99\n", readRows, "", "98 of 99 rows"},
		{"rows are not measured", searched("12", "0") + "rows of decide reached: not measured\n", readRows, "", "does not tell"},
		{"mutate", "seen x (3s): y\n150 of 150 mutations seen (9m0s)\n", readMutate, "150 mutations seen", ""},
		{"a mutation is not seen", "149 of 150 mutations seen (9m0s)\n", readMutate, "", "149 of 150"},
		{"no mutation", "0 of 0 mutations seen (1s)\n", readMutate, "", "0 of 0"},
		{"policies", "    --- PASS: TestPolicyMatrix/on (1s)\n" + cell + cell + "ok  \tmautic-rotation/rotation/database\t480s\n", readPolicies, "2 rotations", ""},
		{"a policy is skipped", cell + strings.Replace(cell, "PASS", "SKIP", 1), readPolicies, "", "not every rotation"},
		{"policies without -v", "ok  \tmautic-rotation/rotation/database\t480s\n", readPolicies, "", "0 rotations"},
		{"fuzz", fuzzing + "fuzz: elapsed: 5m1s, execs: 81234 (9/sec), new interesting: 2 (total: 9)\nPASS\n", readFuzz, "81234 inputs", ""},
		{"fuzz for less than five minutes", fuzzing + "fuzz: elapsed: 4m59s, execs: 81234 (9/sec), new interesting: 2 (total: 9)\nPASS\n", readFuzz, "81234 inputs", "less than 5m0s"},
		{"fuzz without an input", "fuzz: elapsed: 5m0s, execs: 0 (0/sec), new interesting: 0 (total: 3)\n", readFuzz, "0 inputs", "0 inputs"},
		{"no fuzz target", "testing: warning: no fuzz tests to fuzz\nPASS\n", readFuzz, "", "anything was fuzzed"},
		{"tests", tests + tests + tests, readTests(3), "3 packages passed", ""},
		{"two runs of three", tests + tests, readTests(3), "2 packages passed", "2 of 3 runs"},
		{"tests that ran earlier", strings.Replace(tests, "12.3s", "(cached)", 1), readTests(1), "", "cache"},
		{"no test", "make race passed in 0m01s\n", readTests(1), "0 packages passed", "no package"},
	} {
		found, err := c.read(c.output)
		if found.String() != c.want {
			t.Errorf("%s: counted %q instead of %q", c.name, found, c.want)
		}
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: the error is %v, to have %q", c.name, err, c.fails)
		}
	}
}

var (
	thisCode  = code{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd"}
	otherCode = code{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "eeeeeeeeeeee"}
)

// sample are results of six checks: of two of them for this code.
func sample() (checks []check, results map[string]result) {
	results = map[string]result{}
	for _, name := range []string{"race", "crash/mysql/plain", "crash/mysql/second", "crash/mysql/held", "crash/mysql/all", "crash/mysql/smtp"} {
		of := &crashMySQL
		if name == "race" {
			of = &race
		}
		c := check{name: name, command: "run " + name, of: of}
		checks = append(checks, c)
		results[name] = result{
			name: name, command: c.command, passed: true, counts: counts{{1200, "trials"}, {0, "violations"}}, code: thisCode,
			wall: time.Minute, processor: 70 * time.Second, date: time.Date(2026, 11, 29, 1, 2, 0, 0, time.UTC),
		}
	}
	change := func(name string, f func(*result)) {
		r := results[name]
		f(&r)
		results[name] = r
	}
	change("crash/mysql/second", func(r *result) { r.date = r.date.Add(48 * time.Hour) })
	change("crash/mysql/held", func(r *result) { r.passed, r.counts = false, nil })
	change("crash/mysql/all", func(r *result) { r.code = otherCode })
	change("crash/mysql/smtp", func(r *result) { r.command = "run crash/mysql/smtp -sample 10" })
	delete(results, "race")
	return checks, results
}

func TestWhatHasNotPassedForThisCodeByThisCommandIsDue(t *testing.T) {
	t.Parallel()
	checks, results := sample()
	var names []string
	for _, c := range due(checks, results, thisCode) {
		names = append(names, c.name+": "+stateOf(c, results, thisCode))
	}
	want := []string{"race: not run", "crash/mysql/held: failed", "crash/mysql/all: not run for this code", "crash/mysql/smtp: not run for this code"}
	if !slices.Equal(names, want) {
		t.Errorf("due are %q instead of %q", names, want)
	}
	if n := len(due(checks, results, code{})); n != len(checks) {
		t.Errorf("%d checks are due for code that nothing has run of", n)
	}
}

func TestTheTableTellsWhatIsLeftAndForWhichCode(t *testing.T) {
	t.Parallel()
	checks, results := sample()
	got := table(checks, results, thisCode)
	for _, want := range []string{
		"**Not complete**: 2 of 6 checks have passed",
		"| 2 of 5 | 2,400 trials, 0 violations | 2m20s | 2026-11-29 to 2026-12-01 | failed: `held`; not run for this code: `all`, `smtp`: `make proof PROOF='-only ^crash/mysql'` |",
		"| `make race` | 0 of 1 |  |  |  | not run: `make proof PROOF='-only ^race'` |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if at, err := codeOf(got); err != nil || at != thisCode {
		t.Errorf("the table is for %v, %v", at, err)
	}
	if _, err := codeOf(strings.ReplaceAll(got, thisCode[0], "")); err == nil {
		t.Error("a table that names no code is taken")
	}
	checks = checks[1:3]
	if got := table(checks, results, thisCode); !strings.Contains(got, "**Complete**: 2 of 2") || !strings.Contains(got, "| **2 of 2** |") || !strings.Contains(got, "| nothing |") {
		t.Errorf("not complete:\n%s", got)
	}
}

func TestTheRecordIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	_, results := sample()
	file := filepath.Join(t.TempDir(), "proof.tsv")
	if err := writeRecord(file, results); err != nil {
		t.Fatal(err)
	}
	text := read(t, file)
	again, err := readRecord(file)
	if err != nil || len(again) != len(results) {
		t.Fatalf("%d results, %v", len(again), err)
	}
	for name, r := range results {
		if again[name].line() != r.line() || again[name].code != r.code {
			t.Errorf("%s: read %v", name, again[name])
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")[1:]
	if !slices.IsSorted(lines) {
		t.Errorf("not sorted:\n%s", text)
	}
	for what, broken := range map[string]string{
		"a merge's mark": strings.Replace(text, lines[0], "<<<<<<< HEAD\n"+lines[0], 1),
		"twice":          text + lines[0] + "\n",
		"another result": strings.Replace(text, "\tpassed\t", "\tmaybe\t", 1),
		"another number": strings.Replace(text, "1200 trials", "many trials", 1),
	} {
		if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRecord(file); err == nil || !regexp.MustCompile(`proof\.tsv:\d+: `).MatchString(err.Error()) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAnInputThatFuzzingFoundDoesNotStopTheOtherChecks(t *testing.T) {
	t.Parallel()
	got := uncommitted(" M rotation/act.go\n?? rotation/ledger/testdata/fuzz/FuzzRead/0123\n?? lambda/new.go\n M rotation/ledger/testdata/fuzz/FuzzRead/seed\n")
	if want := []string{"rotation/act.go", "lambda/new.go", "rotation/ledger/testdata/fuzz/FuzzRead/seed"}; !slices.Equal(got, want) {
		t.Errorf("got %q instead of %q", got, want)
	}
}
