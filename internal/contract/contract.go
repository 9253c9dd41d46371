// Package contract is what this project believes about AWS Secrets Manager and Lambda, as questions that are asked of the
// stand-in, or of AWS itself in an account where nothing else matters.
//
//	place, err := contract.AWS(ctx, cfg)      // or contract.StandIn(srv)
//	account, err := contract.Open(ctx, place)
//	defer account.Clean(cleanup)
//	err = account.Deploy(ctx, archive)
//	results := contract.Ask(ctx, account, contract.Facts(), contract.Options{})
//
// Each [Fact] says what is believed, and which code depends on it. Where AWS's documentation leaves something open there
// are several beliefs: the code has to be right with each of them, and an answer that is none of them differs.
//
// An [Account] makes only things that have the run's name and tag, and removes them. All that a run costs is some secrets,
// for the hours in which they exist.
package contract

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Fact is something that the project believes.
type Fact struct {
	Name      string        // a question, in words
	Believed  []string      // its answers that the code is right with; the stand-in's own comes first
	Open      bool          // AWS's documentation does not tell
	DependsOn string        // what in the code does
	Takes     time.Duration // the longest that it waits on AWS, when that is minutes

	// Unasked is why the fact is not asked at all; "" if it is. It then has no Ask.
	Unasked string

	// Policies: the answer is IAM's, so whoever evaluates no policies is not asked.
	Policies bool

	Ask func(*Question) Answer
}

// An Answer is what was seen: Is is compared with what is believed, Detail is not.
type Answer struct{ Is, Detail string }

// Outcomes of a [Result].
const (
	Agrees   = "agrees"
	Differs  = "differs"
	NotAsked = "not asked"
)

// A Result is what became of a fact.
type Result struct {
	Fact    Fact
	Outcome string
	Answer  Answer
	Why     string // of a fact that was not asked
	Failed  bool   // it could not be asked, because something else went wrong
}

// Options say what to ask.
type Options struct {
	// Patience is the longest that one fact may wait. A fact that takes longer is not asked. 0 means any time.
	Patience time.Duration

	// Done is told each result as it comes, one at a time. nil: nobody is.
	Done func(Result)
}

// Ask asks the facts, several at a time where the account's place allows it and those first that take longest, and returns
// the results in the order of the facts. When the context ends, what is not answered counts as not asked.
func Ask(ctx context.Context, a *Account, facts []Fact, o Options) []Result {
	results := make([]Result, len(facts))
	places := make(chan struct{}, max(a.place.Parallel, 1))
	var group sync.WaitGroup
	var telling sync.Mutex
	for _, i := range longestFirst(facts) {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			r := ask(ctx, a, facts[i], o)
			telling.Lock()
			defer telling.Unlock()
			results[i] = r
			if o.Done != nil {
				o.Done(r)
			}
		})
	}
	group.Wait()
	return results
}

// longestFirst are the indices of the facts in the order in which they are begun.
func longestFirst(facts []Fact) (order []int) {
	for i := range facts {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(facts[j].Takes, facts[i].Takes) })
	return order
}

func ask(ctx context.Context, a *Account, f Fact, o Options) Result {
	r := Result{Fact: f, Outcome: NotAsked}
	switch {
	case f.Unasked != "":
		r.Why = f.Unasked
		return r
	case f.Policies && !a.place.Policies:
		r.Why = a.place.Name + " evaluates no policies of roles"
		return r
	case o.Patience > 0 && f.Takes > o.Patience:
		r.Why = "it takes up to " + Words(f.Takes) + ": ask with -patience " + Words(f.Takes)
		return r
	case ctx.Err() != nil:
		r.Why, r.Failed = "interrupted", true
		return r
	}
	q := &Question{ctx: ctx, a: a}
	r.Answer = q.answer(f)
	switch {
	case ctx.Err() != nil:
		r.Why, r.Failed = "interrupted", true
	case q.err != nil:
		r.Why, r.Failed = q.err.Error(), true
	case slices.Contains(f.Believed, r.Answer.Is):
		r.Outcome = Agrees
	default:
		r.Outcome = Differs
	}
	if r.Outcome == NotAsked {
		r.Answer = Answer{}
	}
	return r
}

// answer asks. A fact that panics must not keep the account from being cleaned.
func (q *Question) answer(f Fact) (a Answer) {
	defer func() {
		if p := recover(); p != nil {
			q.must(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return f.Ask(q)
}

// Words says a duration in hours, minutes and seconds, as -patience takes it: 1h20m, 12s.
func Words(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Clean tells whether nothing differs, and nothing went wrong.
func Clean(results []Result) bool {
	return !slices.ContainsFunc(results, func(r Result) bool { return r.Outcome == Differs || r.Failed })
}
