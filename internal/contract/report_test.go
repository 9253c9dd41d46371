package contract_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/localaws"
)

var sourceFile = regexp.MustCompile(`[a-z/]+\.(?:go|md|yaml)`)

func TestEachFactSaysWhatDependsOnIt(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range contract.Facts() {
		if names[f.Name] || f.Name == "" || len(f.Believed) == 0 || f.DependsOn == "" || (f.Ask == nil) != (f.Unasked != "") {
			t.Errorf("%+v", f)
		}
		names[f.Name] = true
		for _, name := range sourceFile.FindAllString(f.DependsOn, -1) {
			if _, err := os.Stat(filepath.Join("../..", name)); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	}
}

func TestAFactThatTakesLongerThanSomebodyHasPatienceIsNotAsked(t *testing.T) {
	t.Parallel()
	account := deploy(t, start(t, localaws.Options{}))
	r := contract.Ask(t.Context(), account, named(t, "NextRotationDate move"), contract.Options{Patience: time.Hour})[0]
	if r.Outcome != contract.NotAsked || r.Failed || r.Why != "it takes up to 1h20m: ask with -patience 1h20m" {
		t.Errorf("%+v", r)
	}
}

func TestATableHasARowForEachFact(t *testing.T) {
	t.Parallel()
	fact := contract.Fact{Name: "What | is it?", Believed: []string{"this", "that"}, DependsOn: "rotation/steps.go"}
	report := contract.Report{Place: "AWS", At: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Results: []contract.Result{
		{Fact: fact, Outcome: contract.Agrees, Answer: contract.Answer{Is: "that", Detail: "twice"}},
		{Fact: fact, Outcome: contract.Differs, Answer: contract.Answer{Is: "another"}},
		{Fact: fact, Outcome: contract.NotAsked, Why: "too\ndear"},
	}}
	const head = `| What \| is it? | this, or that | `
	for _, row := range []string{head + "that (twice) | agrees | rotation/steps.go |", head + "another | differs |", head + "too dear | not asked |"} {
		if !strings.Contains(report.Markdown(), "\n"+row) {
			t.Errorf("no row %q in\n%s", row, report.Markdown())
		}
	}
	if text, err := report.JSON(); err != nil || !strings.Contains(string(text), `"observed": "another"`) {
		t.Errorf("%s %v", text, err)
	}
	var sum strings.Builder
	report.Sum(&sum)
	if !strings.Contains(sum.String(), "AWS: 1 facts agree, 1 differ, 1 were not asked.") {
		t.Error(sum.String())
	}
}

func TestThePriceGrowsWithTheHours(t *testing.T) {
	t.Parallel()
	facts := contract.Facts()
	if short, long := contract.Cents(facts, 20*time.Minute), contract.Cents(facts, 0); short < 3 || long <= short || long > 10 {
		t.Errorf("%d and %d cents", short, long)
	}
	if h := contract.Hours(facts, 20*time.Minute); h != "an hour" {
		t.Error(h)
	}
	if h := contract.Hours(facts, 0); h != "2 hours" {
		t.Error(h)
	}
}

func TestADurationIsWordedAsItIsGiven(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		80 * time.Minute: "1h20m", time.Hour: "1h", 35 * time.Minute: "35m", 12300 * time.Millisecond: "12s", 0: "0s", 10 * time.Second: "10s", 100 * time.Second: "1m40s",
	} {
		if got := contract.Words(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}
