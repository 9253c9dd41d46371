// Package crash runs a rotation once for each external call that it makes and each
// way in which that call can fail, and checks the invariants after every call.
//
// The calls (to AWS, MySQL, the SMTP server and Mautic's pages) are numbered in order,
// with those of the reconcile runs that finish the rotation. A trial is a whole
// rotation, on a deployment of its own, with one fault at one call. It includes the
// retries, the rotation's end, and the next rotation. A Scenario says what comes before
// the rotation and how it should end.
package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/mysqlserver"
)

// A Fault is how one call fails.
type Fault string

// The faults. Each happens once, and everything after it succeeds, unless the trial has
// a second fault.
const (
	ErrorBefore  Fault = "error-before"  // the call returns an error, and is not applied
	Throttled    Fault = "throttled"     // AWS throttles the call; the SDK retries it
	KilledBefore Fault = "killed-before" // the function's process dies, and the call is not applied
	KilledAfter  Fault = "killed-after"  // the call is applied, and the process dies before the answer
	ReplyLost    Fault = "reply-lost"    // the call is applied, and the connection breaks before the answer
	AppliedLate  Fault = "applied-late"  // the connection breaks, and the call is applied after the function's retry
	StaleReads   Fault = "stale-reads"   // from this call on, reads of the secret are stale
	Duplicated   Fault = "duplicated"    // before the call is applied, the event is delivered and handled a second time
	Deadline     Fault = "deadline"      // from this call on every call is applied and none is answered, until Lambda ends the invocation
)

// Faults are all faults, in the order of the report.
var Faults = []Fault{ErrorBefore, Throttled, KilledBefore, KilledAfter, ReplyLost, AppliedLate, StaleReads, Duplicated, Deadline}

// appliesTo tells whether a fault is possible for a call.
func (f Fault) appliesTo(call string) bool {
	switch f {
	case Throttled, StaleReads:
		return strings.HasPrefix(call, "aws ")
	case AppliedLate:
		// During a login the server waits for the client's answer, as in SMTP, and
		// requests to Mautic's pages are only reads.
		return strings.HasPrefix(call, "aws ") || strings.HasPrefix(call, "mysql ") && !strings.HasPrefix(call, "mysql login")
	default:
		return true
	}
}

// A Trial is one cell of the matrix.
type Trial struct {
	Scenario string
	Call     int // from 1
	Name     string
	Fault    Fault
	Second   Second // the zero value: none
}

// A Second fault follows the first one, during the retries or after them. There may be
// no such call.
type Second struct {
	Later int // how many calls later
	Fault Fault
}

// seconds are the possible second faults, and furthest is the maximum distance: enough
// for the retry of a step and of the step after it.
var seconds = []Fault{ErrorBefore, KilledBefore, KilledAfter, ReplyLost}

const furthest = 20

// String is the trial's name for ParseTrial: "plain/17/killed-after", or with a
// second fault three calls later "plain/17/killed-after/3/reply-lost".
func (t Trial) String() string {
	name := fmt.Sprintf("%s/%d/%s", t.Scenario, t.Call, t.Fault)
	if t.Second.Fault != "" {
		name += fmt.Sprintf("/%d/%s", t.Second.Later, t.Second.Fault)
	}
	return name
}

// faults is the number of faults.
func (t Trial) faults() int {
	if t.Second.Fault != "" {
		return 2
	}
	return 1
}

// variants are the undocumented or varying behaviours of AWS under which the trial
// runs. Each trial under all of them would be too many, so they rotate.
func (t Trial) variants() localsecretsmanager.Variants {
	if t.Fault == "" {
		return localsecretsmanager.Variants{}
	}
	round := []localsecretsmanager.Variants{
		{},
		{PendingAfterSuccess: localsecretsmanager.PendingRemovedOnPromotion},
		{PendingAfterSuccess: localsecretsmanager.PendingStays, DeleteUnlabelled: true},
		{DeleteUnlabelled: true},
	}
	return round[(t.Call+slices.Index(Faults, t.Fault))%len(round)]
}

// timeout is how long the trial's invocations may take: where one of them takes
// all of it, not much more than the function wants to be left before a change.
func (t Trial) timeout() time.Duration {
	if t.Fault == Deadline {
		return 30 * time.Second
	}
	return time.Minute
}

// ParseTrial parses a trial's name.
func ParseTrial(name string) (Trial, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 && len(parts) != 5 {
		return Trial{}, fmt.Errorf("%q is not a trial: write it like plain/17/killed-after or, with a second fault three calls later, plain/17/killed-after/3/reply-lost", name)
	}
	call, ok := parseFault(parts[1:3], Faults)
	if !ok {
		return Trial{}, fmt.Errorf("%q is not a trial: the faults are %v", name, Faults)
	}
	trial := Trial{Scenario: parts[0], Call: call, Fault: Fault(parts[2])}
	if len(parts) == 5 {
		if trial.Second.Later, ok = parseFault(parts[3:], seconds); !ok {
			return Trial{}, fmt.Errorf("%q is not a trial: the second faults are %v", name, seconds)
		}
		trial.Second.Fault = Fault(parts[4])
	}
	return trial, nil
}

// parseFault parses the number of a call and the name of a fault.
func parseFault(parts []string, faults []Fault) (call int, ok bool) {
	call, err := strconv.Atoi(parts[0])
	return call, err == nil && call > 0 && slices.Contains(faults, Fault(parts[1]))
}

// Matrix runs trials against one server. Trials may run in parallel.
type Matrix struct {
	MySQL  *mysqlserver.Server
	Binary string

	// LogDir is where to write the function's logs of trials with violations; "":
	// nowhere.
	LogDir string

	// FirstOnly ends a trial at its first violation.
	FirstOnly bool
}

// listings is how often a scenario runs to list its calls. A reconcile that finds a
// task which has not stopped yet adds calls, so the shortest list counts.
const listings = 2

// Trials runs a scenario without a fault to list its calls, and returns its trials.
func (m *Matrix) Trials(ctx context.Context, scenario Scenario) ([]Trial, error) {
	var calls []string
	var faults []error
	var mu sync.Mutex
	var group sync.WaitGroup
	for range listings {
		group.Go(func() {
			seen, violations, err := m.run(ctx, scenario, Trial{Scenario: scenario.Name})
			if err == nil && len(violations) > 0 {
				err = fmt.Errorf("scenario %s without any fault: %s", scenario.Name, strings.Join(violations, "; "))
			}
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, err)
			if len(calls) == 0 || len(seen) < len(calls) {
				calls = seen
			}
		})
	}
	group.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var trials []Trial
	for i, call := range calls {
		for _, fault := range Faults {
			if fault.appliesTo(call) {
				trials = append(trials, Trial{Scenario: scenario.Name, Call: i + 1, Name: call, Fault: fault})
			}
		}
	}
	return trials, nil
}

// Sample draws n of the trials, or all if there are fewer: always the same ones.
func Sample(trials []Trial, n int) []Trial {
	draw := rand.New(rand.NewPCG(1, 2))
	var sample []Trial
	for _, i := range draw.Perm(len(trials))[:min(n, len(trials))] {
		sample = append(sample, trials[i])
	}
	return sample
}

// Pairs draws n trials and gives each a second fault: always the same ones.
func Pairs(trials []Trial, n int) []Trial {
	draw := rand.New(rand.NewPCG(3, 4))
	pairs := make([]Trial, n)
	for i := range pairs {
		pairs[i] = trials[draw.IntN(len(trials))]
		pairs[i].Second = Second{Later: 1 + draw.IntN(furthest), Fault: seconds[draw.IntN(len(seconds))]}
	}
	return pairs
}

// Run runs a trial and returns the violations. An error means that the trial could not
// be completed, and says nothing about the function.
func (m *Matrix) Run(ctx context.Context, trial Trial) (violations []string, err error) {
	at := slices.IndexFunc(Scenarios, func(s Scenario) bool { return s.Name == trial.Scenario })
	if at < 0 {
		return nil, fmt.Errorf("unknown scenario %q", trial.Scenario)
	}
	calls, violations, err := m.run(ctx, Scenarios[at], trial)
	if err == nil && len(calls) < trial.Call {
		err = fmt.Errorf("%s: there were only %d calls", trial, len(calls))
	}
	return violations, err
}
