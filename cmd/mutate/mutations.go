package main

import (
	"regexp"
	"strings"
)

// A mutation breaks the engine in one way, by an exact replacement of text that
// is in its file once.
type mutation struct {
	name, what     string
	file, old, new string
	killer         test     // the fast test that has to fail
	scripts        []string // of the explorer's, in each of which it shows; none: to be searched for, or none is known
	trials         trials   // of the crash matrix, which have to fail too, for -thorough; none is as well
}

// test is a test of a package, or those of its subtests whose names begin so:
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

// trials are those of the crash matrix in one scenario whose name and call match.
type trials struct{ scenario, match string }

func (t trials) command() []string {
	return []string{"run", "./cmd/crash", "-first", "-scenario", t.scenario, "-match", t.match}
}

// noFault is for what shows without any fault: the scenario itself is then not
// as it should be, and its trials are not reached.
const noFault = "^[a-z-]+/1/throttled "

// mutations are all mutations.
var mutations = concat(stepMutations, overlapMutations, emergencyMutations, byHandMutations, planMutations, ledgerMutations, kindMutations, onceMutations, answerMutations)

func concat(parts ...[]mutation) (all []mutation) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// The packages whose tests see most of them.
const (
	engine  = "rotation"
	planner = "rotation/plan"
	book    = "rotation/ledger"

	explorer = "internal/explore"
)
