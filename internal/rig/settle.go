package rig

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reconcile invokes the function as its schedule does.
func (r *Rig) Reconcile() error { return r.Invoke([]byte(`{"Action":"reconcile"}`)) }

// An Entry is what a label of the function's ledger says about a version's value of one
// kind. It is parsed here without the function's own code.
type Entry struct {
	Version, Kind, State string
	Current              bool // the version is AWSCURRENT
}

func (e Entry) String() string { return e.Kind + "=" + e.State }

// Open tells whether something is left to do about the value. The previous value of a
// target that accepts only one is just remembered.
func (e Entry) Open() bool {
	switch {
	case e.State == "failed", e.State == "foreign":
		return false
	case e.State == "old" && (e.Kind == "admin" || e.Kind == "webhook"):
		return false
	}
	return e.State != "proven" || !e.Current
}

// entryInLabel matches an entry in a label: "database=old.3@20261122T210405Z".
var entryInLabel = regexp.MustCompile(`^([a-z]+)=([a-z]+)\.([0-9]+)`)

// Ledger returns the entries of the secret's labels, and whether they record an open
// rollout.
func (r *Rig) Ledger() (entries []Entry, rollout bool, err error) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return nil, false, err
	}
	latest, counts := "", map[string]int{}
	for _, v := range state.Versions {
		for _, label := range v.Labels {
			if !strings.HasPrefix(label, "rotation;2;") {
				continue
			}
			for part := range strings.SplitSeq(label, ";") {
				if words, ok := strings.CutPrefix(part, "rollout="); ok {
					since, _, _ := strings.Cut(words, ",")
					if since > latest {
						latest, rollout = since, true
					}
					if since == latest && strings.Contains(words, "converged=") {
						rollout = false
					}
				}
				m := entryInLabel.FindStringSubmatch(part)
				if m == nil {
					continue
				}
				// Of several labels on a version, the one with the higher count is valid.
				count, err := strconv.Atoi(m[3])
				if err != nil {
					return nil, false, err
				}
				if at := v.ID + m[1]; count > counts[at] {
					counts[at] = count
					entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Version == v.ID && e.Kind == m[1] })
					entries = append(entries, Entry{v.ID, m[1], m[2], slices.Contains(v.Labels, "AWSCURRENT")})
				}
			}
		}
	}
	return entries, rollout, nil
}

// Journal is the ledger's open entries, sorted: "database=old", "rollout".
func (r *Rig) Journal() (open []string, err error) {
	entries, rollout, err := r.Ledger()
	if err != nil {
		return nil, err
	}
	if rollout {
		open = append(open, "rollout")
	}
	for _, e := range entries {
		if e.Open() {
			open = append(open, e.String())
		}
	}
	slices.Sort(open)
	return open, nil
}

// settleTime is more than any ending needs, even on a busy machine.
const settleTime = 2 * time.Minute

// Settle finishes what follows a promotion: it waits for the redeploy (or, if nothing is
// redeployed, for the day that an old value is kept), and reconciles until the journal is
// empty.
func (r *Rig) Settle(ctx context.Context) error {
	if r.options.Application == nil {
		r.AWS.Clock().Advance(25 * time.Hour)
	}
	return r.SettleUntil(ctx, func(journal []string) bool { return len(journal) == 0 })
}

// SettleUntil waits for the redeploy, and reconciles until the journal is as wanted. If that
// takes too long, its error includes that of the last reconcile.
func (r *Rig) SettleUntil(ctx context.Context, wanted func(journal []string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	pace := time.NewTicker(20 * time.Millisecond) // matters only while another invocation holds the lock
	defer pace.Stop()
	for {
		if err := r.WaitSteady(ctx); err != nil {
			return err
		}
		fault := r.Reconcile()
		journal, err := r.Journal()
		if err != nil || wanted(journal) {
			return err
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return errors.Join(fault, fmt.Errorf("after %s the journal still says %s", settleTime, journal))
		}
	}
}

// AwaitJournal waits until the journal is as wanted, while something else invokes the
// function.
func (r *Rig) AwaitJournal(ctx context.Context, wanted func(journal []string) bool) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		journal, err := r.Journal()
		if err != nil || wanted(journal) {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("it did not finish; open in the ledger: %s", strings.Join(journal, " ")))
		}
	}
}
