package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Usage records what is asked for under the policies of several deployments.
// Its zero value is ready, and it is safe for concurrent use.
type Usage struct {
	mu      sync.Mutex
	records []*record
}

// A Record is what was asked for under one policy, by however many deployments,
// each request once.
type Record struct {
	Policy   Policy
	Requests []Request
}

type record struct {
	policy   Policy
	requests map[string]Request
}

// Enforce returns what decides by the policy about requests, and records them.
// Its error is how IAM words the reason of a refusal. It may be called
// concurrently.
func (u *Usage) Enforce(p Policy) func(Request) error {
	kept := u.recordOf(p)
	return func(r Request) error {
		u.mu.Lock()
		kept.requests[r.String()] = r
		u.mu.Unlock()
		switch d := p.Evaluate(r); {
		case d.Allowed():
			return nil
		case d.Denial != "":
			return fmt.Errorf("of an explicit deny in an identity-based policy")
		default:
			return fmt.Errorf("no identity-based policy allows the %s action", r.Action)
		}
	}
}

// recordOf is the policy's record.
func (u *Usage) recordOf(p Policy) *record {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, kept := range u.records {
		if reflect.DeepEqual(kept.policy, p) {
			return kept
		}
	}
	kept := &record{p, map[string]Request{}}
	u.records = append(u.records, kept)
	return kept
}

// Records are what has been recorded so far, in an order that depends on
// nothing but what was asked.
func (u *Usage) Records() []Record {
	u.mu.Lock()
	defer u.mu.Unlock()
	var records []Record
	for _, kept := range u.records {
		r := Record{Policy: kept.policy}
		for _, name := range slices.Sorted(maps.Keys(kept.requests)) {
			r.Requests = append(r.Requests, kept.requests[name])
		}
		records = append(records, r)
	}
	return records
}

// String tells the whole request.
func (r Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s", r.Action, r.Resource)
	for _, key := range slices.Sorted(maps.Keys(r.Context)) {
		fmt.Fprintf(&b, ", %s=%s", key, strings.Join(r.Context[key], "|"))
	}
	return b.String()
}
