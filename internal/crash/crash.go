// Package crash runs a rotation once for each call that it makes to the
// outside and each way in which that call can go wrong, and checks at every
// moment what must always hold.
//
// A rotation's calls, to AWS, to MySQL, to the SMTP server and to Mautic's
// pages, are counted in the order in which
// they happen, those of the reconciles that bring it to its end included. A
// trial is a whole rotation, on a deployment of its own, with one fault at one
// call; retries are let happen, it is brought to its end, and the next rotation
// after it too. A Scenario says what comes before and which end that is.
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

// A Fault is what goes wrong with one call.
type Fault string

// The faults. Each of them happens once; what comes after goes well, unless the
// trial has a second one.
const (
	ErrorBefore  Fault = "error-before"  // the call is answered with an error, and not applied
	Throttled    Fault = "throttled"     // AWS asks to slow down; the SDK tries again
	KilledBefore Fault = "killed-before" // the function's process dies, the call is not applied
	KilledAfter  Fault = "killed-after"  // the call is applied, the function never learns of it
	ReplyLost    Fault = "reply-lost"    // the call is applied, the connection breaks
	AppliedLate  Fault = "applied-late"  // the connection breaks, and the call is applied when the function has tried again
	StaleReads   Fault = "stale-reads"   // from this call on, reads of the secret lag behind
	Duplicated   Fault = "duplicated"    // before the call is applied, the event comes a second time, and is handled
	Deadline     Fault = "deadline"      // from this call on all are applied and none is answered, until Lambda ends the invocation
)

// Faults are all faults, in the order of the report.
var Faults = []Fault{ErrorBefore, Throttled, KilledBefore, KilledAfter, ReplyLost, AppliedLate, StaleReads, Duplicated, Deadline}

// appliesTo tells whether a fault makes sense for a call.
func (f Fault) appliesTo(call string) bool {
	switch f {
	case Throttled, StaleReads:
		return strings.HasPrefix(call, "aws ")
	case AppliedLate:
		// In a login the server waits for the client's answer, as in SMTP. Mautic's
		// pages are only asked.
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
	Second   Second // the zero one: there is none
}

// A Second fault follows the first one: at a call of those that try it again,
// or after them. There may be no such call.
type Second struct {
	Later int // so many calls
	Fault Fault
}

// seconds are the faults that come as a second one, and furthest how much later:
// a step and the one after it are tried again in that.
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

// faults is how often something goes wrong.
func (t Trial) faults() int {
	if t.Second.Fault != "" {
		return 2
	}
	return 1
}

// variants are the behaviours of AWS that are not documented, or seen to differ,
// under which the trial runs. All of them times all trials would be too many, so
// they go round.
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

// ParseTrial reads a trial's name.
func ParseTrial(name string) (Trial, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 && len(parts) != 5 {
		return Trial{}, fmt.Errorf("%q is no trial: write it as plain/17/killed-after, or with a second fault three calls later as plain/17/killed-after/3/reply-lost", name)
	}
	call, ok := parseFault(parts[1:3], Faults)
	if !ok {
		return Trial{}, fmt.Errorf("%q is no trial: the faults are %v", name, Faults)
	}
	trial := Trial{Scenario: parts[0], Call: call, Fault: Fault(parts[2])}
	if len(parts) == 5 {
		if trial.Second.Later, ok = parseFault(parts[3:], seconds); !ok {
			return Trial{}, fmt.Errorf("%q is no trial: the second faults are %v", name, seconds)
		}
		trial.Second.Fault = Fault(parts[4])
	}
	return trial, nil
}

// parseFault reads the number of a call before the name of a fault.
func parseFault(parts []string, faults []Fault) (call int, ok bool) {
	call, err := strconv.Atoi(parts[0])
	return call, err == nil && call > 0 && slices.Contains(faults, Fault(parts[1]))
}

// Matrix runs trials against one server. Trials may run at the same time.
type Matrix struct {
	MySQL  *mysqlserver.Server
	Binary string

	// LogDir is where the function's logs of trials with violations go; "" is
	// nowhere.
	LogDir string

	// FirstOnly ends a trial at its first violation.
	FirstOnly bool
}

// listings is how often a scenario is made to happen to list its calls: a
// reconcile more than it takes, which finds a task that is not gone yet, adds
// some. The shortest list holds.
const listings = 2

// Trials lists a scenario's calls, by making it happen without a fault, and
// from them its trials.
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

// Sample draws n of the trials, or all if they are fewer: the same ones each
// time.
func Sample(trials []Trial, n int) []Trial {
	draw := rand.New(rand.NewPCG(1, 2))
	var sample []Trial
	for _, i := range draw.Perm(len(trials))[:min(n, len(trials))] {
		sample = append(sample, trials[i])
	}
	return sample
}

// Pairs draws n times one of the trials and gives it a second fault: the same
// ones each time.
func Pairs(trials []Trial, n int) []Trial {
	draw := rand.New(rand.NewPCG(3, 4))
	pairs := make([]Trial, n)
	for i := range pairs {
		pairs[i] = trials[draw.IntN(len(trials))]
		pairs[i].Second = Second{Later: 1 + draw.IntN(furthest), Fault: seconds[draw.IntN(len(seconds))]}
	}
	return pairs
}

// Run carries out a trial and returns what did not hold: nothing, if all is
// well. The error is of the trial's making, and says nothing of the function.
func (m *Matrix) Run(ctx context.Context, trial Trial) (violations []string, err error) {
	at := slices.IndexFunc(Scenarios, func(s Scenario) bool { return s.Name == trial.Scenario })
	if at < 0 {
		return nil, fmt.Errorf("no scenario is named %q", trial.Scenario)
	}
	calls, violations, err := m.run(ctx, Scenarios[at], trial)
	if err == nil && len(calls) < trial.Call {
		err = fmt.Errorf("%s: there were %d calls alone", trial, len(calls))
	}
	return violations, err
}
