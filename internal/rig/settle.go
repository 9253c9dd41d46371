package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Reconcile wakes the function as its schedule does.
func (r *Rig) Reconcile() error { return r.Invoke([]byte(`{"Action":"reconcile"}`)) }

// Journal are the labels of the function's journal, on whatever version.
func (r *Rig) Journal() ([]string, error) {
	state, err := r.AWS.Secret(r.SecretARN)
	if err != nil {
		return nil, err
	}
	var labels []string
	for _, v := range state.Versions {
		for _, label := range v.Labels {
			if strings.HasPrefix(label, "rotation;") {
				labels = append(labels, label)
			}
		}
	}
	slices.Sort(labels)
	return labels, nil
}

// settleAttempts are more reconciles than any ending takes: redeploy, close,
// retire, forget.
const settleAttempts = 6

// Settle lets what follows a promotion come to its end: it waits for the
// redeploy, or where nothing is redeployed for the day that an old value is
// kept, and reconciles until the journal is empty.
func (r *Rig) Settle(ctx context.Context) error {
	var faults []error
	for range settleAttempts {
		if err := r.WaitSteady(ctx); err != nil {
			return err
		}
		if r.options.Application == nil {
			r.AWS.Clock().Advance(25 * time.Hour)
		}
		if err := r.Reconcile(); err != nil {
			faults = append(faults, err)
		}
		journal, err := r.Journal()
		if err != nil || len(journal) == 0 {
			return err
		}
	}
	journal, err := r.Journal()
	return errors.Join(append(faults, err, fmt.Errorf("after %d reconciles the journal still says %s", settleAttempts, journal))...)
}
