package contract

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Report is what a run has found.
type Report struct {
	Place   string
	Run     string
	At      time.Time
	Results []Result
}

// Sum writes what the results add up to.
func (r Report) Sum(w io.Writer) {
	counts := map[string]int{}
	for _, result := range r.Results {
		counts[result.Outcome]++
	}
	fmt.Fprintf(w, "\n%s: %d facts agree, %d differ, %d were not asked.\n", r.Place, counts[Agrees], counts[Differs], counts[NotAsked])
}

// PrintResult writes one result. A fact that differs comes with what depends on it.
func PrintResult(w io.Writer, r Result) {
	mark := map[string]string{Agrees: "✓", Differs: "✗", NotAsked: "–"}[r.Outcome]
	fmt.Fprintf(w, "%s %s\n", mark, r.Fact.Name)
	if r.Outcome != Agrees || len(r.Fact.Believed) > 1 {
		fmt.Fprintf(w, "    believed: %s\n", r.believed())
	}
	switch r.Outcome {
	case NotAsked:
		fmt.Fprintf(w, "    not asked: %s\n", r.Why)
	default:
		fmt.Fprintf(w, "    observed: %s\n", r.observed())
	}
	if r.Outcome == Differs {
		fmt.Fprintf(w, "    depends on it: %s\n", r.Fact.DependsOn)
	}
}

func (r Result) believed() string { return strings.Join(r.Fact.Believed, ", or ") }

func (r Result) observed() string {
	switch {
	case r.Outcome == NotAsked:
		return r.Why
	case r.Answer.Detail == "":
		return r.Answer.Is
	}
	return r.Answer.Is + " (" + r.Answer.Detail + ")"
}

// Markdown is the report as a table.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What was seen\n\n%s, %s.\n\n", r.Place, r.At.UTC().Format("2006-01-02 15:04 UTC"))
	b.WriteString("| question | believed | observed | | what depends on it |\n| --- | --- | --- | --- | --- |\n")
	cell := strings.NewReplacer("|", `\|`, "\n", " ").Replace
	for _, result := range r.Results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n",
			cell(result.Fact.Name), cell(result.believed()), cell(result.observed()), result.Outcome, cell(result.Fact.DependsOn))
	}
	return b.String()
}

// JSON is the report for programs.
func (r Report) JSON() ([]byte, error) {
	type row struct {
		Fact      string   `json:"fact"`
		Believed  []string `json:"believed"`
		Open      bool     `json:"open"`
		Outcome   string   `json:"outcome"`
		Observed  string   `json:"observed,omitempty"`
		Detail    string   `json:"detail,omitempty"`
		Why       string   `json:"why,omitempty"`
		DependsOn string   `json:"dependsOn"`
	}
	report := struct {
		Place string `json:"place"`
		Run   string `json:"run"`
		At    string `json:"at"`
		Facts []row  `json:"facts"`
	}{r.Place, r.Run, r.At.UTC().Format(time.RFC3339), nil}
	for _, result := range r.Results {
		f := result.Fact
		report.Facts = append(report.Facts, row{
			f.Name, f.Believed, f.Open, result.Outcome, result.Answer.Is, result.Answer.Detail, result.Why, f.DependsOn,
		})
	}
	return json.MarshalIndent(report, "", "  ")
}

// Write writes the report to a file: Markdown if its name ends with .md, else JSON.
func (r Report) Write(path string) error {
	text := []byte(r.Markdown())
	if !strings.HasSuffix(path, ".md") {
		var err error
		if text, err = r.JSON(); err != nil {
			return err
		}
		text = append(text, '\n')
	}
	return os.WriteFile(path, text, 0o644)
}
