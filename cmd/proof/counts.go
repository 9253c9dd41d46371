package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// counts are what a check has tried and found: "712 trials, 0 violations".
type counts []count

type count struct {
	n    int
	unit string
}

func (c counts) String() string { return c.format(strconv.Itoa) }

func (c counts) format(number func(int) string) string {
	var words []string
	for _, one := range c {
		words = append(words, number(one.n)+" "+one.unit)
	}
	return strings.Join(words, ", ")
}

func parseCounts(text string) (c counts, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ", ") {
		number, unit, _ := strings.Cut(part, " ")
		n, err := strconv.Atoi(number)
		if err != nil || unit == "" {
			return nil, fmt.Errorf("%q is not a number and what it counts", part)
		}
		c = append(c, count{n, unit})
	}
	return c, nil
}

// plus adds counts by their units.
func (c counts) plus(others counts) counts {
next:
	for _, other := range others {
		for i := range c {
			if c[i].unit == other.unit {
				c[i].n += other.n
				continue next
			}
		}
		c = append(c, other)
	}
	return c
}

// A reader finds in a command's output what it has tried. It fails if that is nothing, is less
// than was to be tried, or if the output tells of a violation.
type reader func(output string) (counts, error)

// lastOf returns the last number before a unit in the output, where a command sums up.
func lastOf(output, unit string) (count, error) {
	found := regexp.MustCompile(`(\d+) `+unit+`\b`).FindAllStringSubmatch(output, -1)
	if len(found) == 0 {
		return count{}, fmt.Errorf("the output does not tell how many %s there were", unit)
	}
	n, err := strconv.Atoi(found[len(found)-1][1])
	return count{n, unit}, err
}

// tried reads the numbers of what was tried, of which there must be some, and of violations, of which there must be none.
func tried(output string, units ...string) (c counts, err error) {
	var faults []error
	for _, unit := range append(units, "violations") {
		one, err := lastOf(output, unit)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c = append(c, one)
		if (one.n > 0) == (unit == "violations") {
			faults = append(faults, fmt.Errorf("%d %s", one.n, unit))
		}
	}
	return c, errors.Join(faults...)
}

func readCrash(output string) (counts, error)   { return tried(output, "trials") }
func readExplore(output string) (counts, error) { return tried(output, "histories", "states") }

// allOf reads "12 of 12 things": each of them, and at least one.
func allOf(output, pattern, unit string) (counts, error) {
	m := regexp.MustCompile(pattern).FindStringSubmatch(output)
	if m == nil {
		return nil, fmt.Errorf("the output does not tell of %s", unit)
	}
	if m[1] != m[2] || m[2] == "0" {
		return nil, fmt.Errorf("%s of %s %s", m[1], m[2], unit)
	}
	return parseCounts(m[1] + " " + unit)
}

func readMutate(output string) (counts, error) {
	return allOf(output, `(?m)^(\d+) of (\d+) mutations seen\b`, "mutations seen")
}

func readRows(output string) (counts, error) {
	rows, err := allOf(output, `(?m)^rows of decide reached: (\d+) of (\d+)$`, "rows reached")
	if err != nil {
		return nil, err
	}
	searched, err := readExplore(output)
	return append(rows, searched...), err
}

// rotationOfPolicies is a leaf of the tests of TestPolicyMatrix: on a series, under a rule, by a way, to an end.
var rotationOfPolicies = regexp.MustCompile(`(?m)^ +--- (PASS|SKIP|FAIL): TestPolicyMatrix/on/[^/\n]+/[^/\n]+/[^/\n]+/`)

func readPolicies(output string) (counts, error) {
	passed := 0
	for _, m := range rotationOfPolicies.FindAllStringSubmatch(output, -1) {
		if m[1] != "PASS" {
			return nil, errors.New("not every rotation passed")
		}
		passed++
	}
	if passed == 0 {
		return nil, errors.New("0 rotations")
	}
	return counts{{passed, "rotations"}}, nil
}

var fuzzed = regexp.MustCompile(`(?m)^fuzz: elapsed: (\S+), execs: (\d+) `)

func readFuzz(output string) (counts, error) {
	all := fuzzed.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return nil, errors.New("the output does not tell that anything was fuzzed")
	}
	last := all[len(all)-1]
	took, err := time.ParseDuration(last[1])
	if err != nil {
		return nil, err
	}
	inputs, err := strconv.Atoi(last[2])
	if err != nil {
		return nil, err
	}
	found := counts{{inputs, "inputs"}}
	switch {
	case took < fuzzTime:
		return found, fmt.Errorf("fuzzed for %s, less than %s", took, fuzzTime)
	case inputs == 0:
		return found, errors.New("0 inputs")
	}
	return found, nil
}

var (
	packagePassed = regexp.MustCompile(`(?m)^ok\s+\S+\s+(\S+)(.*)$`)
	runPassed     = regexp.MustCompile(`(?m)^make (test|race) passed in `)
)

// readTests reads the output of some runs of all tests, none of them from go test's cache.
func readTests(runs int) reader {
	return func(output string) (counts, error) {
		packages := 0
		for _, m := range packagePassed.FindAllStringSubmatch(output, -1) {
			if m[1] == "(cached)" {
				return nil, errors.New("results are from go test's cache")
			}
			if !strings.Contains(m[2], "no tests to run") {
				packages++
			}
		}
		found := counts{{packages, "packages passed"}}
		if got := len(runPassed.FindAllString(output, -1)); got != runs {
			return found, fmt.Errorf("%d of %d runs passed", got, runs)
		}
		if packages == 0 {
			return found, errors.New("no package has a test that ran")
		}
		return found, nil
	}
}
