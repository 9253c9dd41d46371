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

// Journal are the labels of the function's journal, on whatever version, but for
// those that only remember a rotation which failed and is over.
func (r *Rig) Journal() ([]string, error) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return nil, err
	}
	var labels []string
	for _, v := range state.Versions {
		for _, label := range v.Labels {
			if strings.HasPrefix(label, "rotation;") && !strings.HasPrefix(label, "rotation;failed;") {
				labels = append(labels, label)
			}
		}
	}
	slices.Sort(labels)
	return labels, nil
}

// settleTime is more than any ending takes, on a busy machine too.
const settleTime = 2 * time.Minute

// Settle lets what follows a promotion come to its end: it waits for the
// redeploy, or where nothing is redeployed for the day that an old value is
// kept, and reconciles until the journal is empty.
func (r *Rig) Settle(ctx context.Context) error {
	if r.options.Application == nil {
		r.AWS.Clock().Advance(25 * time.Hour)
	}
	return r.SettleUntil(ctx, func(journal []string) bool { return len(journal) == 0 })
}

// SettleUntil waits for the redeploy and reconciles, until the journal is as
// wanted. When that takes too long, its error has that of the last reconcile.
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
