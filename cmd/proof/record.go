package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	recordFile = "docs/proof.tsv"
	pageFile   = "docs/proof.md"
)

// A result is what the record has of a check: its last run that came to an end.
type result struct {
	name, command   string
	passed          bool
	counts          counts
	wall, processor time.Duration
	date            time.Time // of the end
	code            code
}

// The states of a check.
const (
	hasPassed = "passed"
	hasFailed = "failed"
	notRun    = "not run"
	notThis   = "not run for this code"
)

// stateOf returns a check's state for some code. What another command found, with the same name, counts as little as what
// was found of other code.
func stateOf(c check, results map[string]result, at code) string {
	last, ran := results[c.name]
	switch {
	case !ran:
		return notRun
	case last.code != at || last.command != c.command:
		return notThis
	case !last.passed:
		return hasFailed
	}
	return hasPassed
}

// due returns the checks that have not passed for some code.
func due(checks []check, results map[string]result, at code) (left []check) {
	for _, c := range checks {
		if stateOf(c, results, at) != hasPassed {
			left = append(left, c)
		}
	}
	return left
}

// columns are the record's first line. Everything about a check is in one line, and the lines are sorted,
// so that git merges what was run in two places.
var columns = append([]string{"check", "result", "found", "wall time", "processor time", "ended", "command"}, trees[:]...)

const dateForm = "2006-01-02T15:04Z"

func (r result) line() string {
	outcome := hasFailed
	if r.passed {
		outcome = hasPassed
	}
	fields := append([]string{r.name, outcome, r.counts.String(), round(r.wall).String(), round(r.processor).String(), r.date.UTC().Format(dateForm), r.command}, r.code[:]...)
	return strings.Join(fields, "\t")
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }

func parseResult(line string) (r result, err error) {
	fields := strings.Split(line, "\t")
	if len(fields) != len(columns) {
		return r, fmt.Errorf("%d columns instead of %d", len(fields), len(columns))
	}
	if fields[1] != hasPassed && fields[1] != hasFailed {
		return r, fmt.Errorf("the result is %q", fields[1])
	}
	r.name, r.passed, r.command = fields[0], fields[1] == hasPassed, fields[6]
	var faults [4]error
	r.counts, faults[0] = parseCounts(fields[2])
	r.wall, faults[1] = time.ParseDuration(fields[3])
	r.processor, faults[2] = time.ParseDuration(fields[4])
	r.date, faults[3] = time.Parse(dateForm, fields[5])
	copy(r.code[:], fields[7:])
	return r, errors.Join(faults[:]...)
}

// readRecord reads the results by the names of the checks. No file is an empty record.
func readRecord(file string) (map[string]result, error) {
	results := map[string]result{}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if i == 0 {
			continue // the columns
		}
		r, err := parseResult(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		if _, twice := results[r.name]; twice {
			return nil, fmt.Errorf("%s:%d: %s is there twice", file, i+1, r.name)
		}
		results[r.name] = r
	}
	return results, nil
}

func writeRecord(file string, results map[string]result) error {
	lines := []string{strings.Join(columns, "\t")}
	for _, name := range slices.Sorted(maps.Keys(results)) {
		lines = append(lines, results[name].line())
	}
	return replaceFile(file, strings.Join(lines, "\n")+"\n")
}

// A book is the record and the page with its table.
type book struct {
	record, page string
	checks       []check // all

	mu sync.Mutex
}

// add puts a result into the record and the table.
func (b *book) add(r result) error {
	return b.update(r.code, func(results map[string]result) { results[r.name] = r })
}

// update changes the record, and writes the table for some code. It reads both files anew: somebody may have merged or edited
// them meanwhile. Results of checks that are no more are dropped.
func (b *book) update(at code, change func(map[string]result)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	results, err := readRecord(b.record)
	if err != nil {
		return err
	}
	change(results)
	maps.DeleteFunc(results, func(name string, _ result) bool {
		return !slices.ContainsFunc(b.checks, func(c check) bool { return c.name == name })
	})
	if err := writeRecord(b.record, results); err != nil {
		return err
	}
	text, err := os.ReadFile(b.page)
	if err != nil {
		return err
	}
	before, _, after, err := splitPage(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", b.page, err)
	}
	return replaceFile(b.page, before+table(b.checks, results, at)+after)
}

// replaceFile writes a file so that who reads it, and who finds it after a crash, has the old text or the new one.
func replaceFile(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".proof-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it was renamed
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
