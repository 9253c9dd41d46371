package main

import (
	"regexp"
	"strings"
)

// A mutation breaks the engine in one way, by replacing text that occurs exactly once
// in its file.
type mutation struct {
	name, what     string
	file, old, new string
	killer         test     // the fast test that must fail
	scripts        []string // the explorer's scripts, each of which shows it; none: search for one
	trials         trials   // trials of the crash matrix that must fail too, with -thorough; may be none
}

// test is a test of a package, or the subtests whose names begin like this:
// "TestX/MySQL".
type test struct{ pkg, name string }

func (t test) String() string { return t.pkg + " " + t.name }

// function is the name of the test's function.
func (t test) function() string {
	name, _, _ := strings.Cut(t.name, "/")
	return name
}

// printed is the test's name as go test prints it.
func (t test) printed() string { return strings.ReplaceAll(t.name, " ", "_") }

// pattern matches the test, as -run expects it.
func (t test) pattern() string {
	_, subtests, some := strings.Cut(t.name, "/")
	if !some {
		return "^" + t.function() + "$"
	}
	return "^" + t.function() + "$/^" + regexp.QuoteMeta(strings.ReplaceAll(subtests, " ", "_"))
}

// trials are the crash matrix's trials of one scenario whose name and call match.
type trials struct{ scenario, match string }

func (t trials) command() []string {
	return []string{"run", "./cmd/crash", "-first", "-scenario", t.scenario, "-match", t.match}
}

// noFault is for a mutation that shows without any fault: the scenario itself fails, so
// that none of its trials is reached.
const noFault = "^[a-z-]+/1/throttled "

// mutations are all mutations.
var mutations = concat(stepMutations, overlapMutations, emergencyMutations, byHandMutations, planMutations, ledgerMutations, kindMutations, onceMutations, answerMutations)

func concat(parts ...[]mutation) (all []mutation) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// The packages whose tests notice most of them.
const (
	engine  = "rotation"
	planner = "rotation/plan"
	book    = "rotation/ledger"

	explorer = "internal/explore"
)
