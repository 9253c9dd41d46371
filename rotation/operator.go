package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mautic-rotation/internal/scrub"
)

// Abandon gives up the secret's pending rotation: it takes AWSPENDING off its
// version, and what had been set of it is retired. A rotation that has been
// promoted cannot be given up. With nothing pending it does nothing.
func (r *Rotator) Abandon(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) error {
	run := &run{Rotator: r, event: Event{SecretID: secretARN}, secrets: secrets, log: log}
	if err := run.abandon(ctx); err != nil {
		return fmt.Errorf("abandon: %w", err)
	}
	return r.Reconcile(ctx, secretARN, log, secrets)
}

func (r *run) abandon(ctx context.Context) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	if err := r.forgetBadWishes(ctx, m); err != nil {
		return err
	}
	pending := versionWith(m.labels, labelPending)
	switch pending {
	case "":
		r.log.Info("nothing is pending")
		return nil
	case versionWith(m.labels, labelCurrent):
		return errors.New("the pending version is AWSCURRENT: its rotation is over")
	}
	// Its journal entry, written before anything was set, keeps the version.
	if err := r.moveLabel(ctx, labelPending, "", pending); err != nil {
		return err
	}
	r.log.Warn("the rotation was given up", audit, didAbandon, "version", pending)
	return nil
}

// Release ends what is held: whatever used the old values is said to be set
// right. The services are redeployed once more, and from there on it goes as
// after a promotion. It also lets the schedule rotate again after a rollback.
func (r *Rotator) Release(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) error {
	run := &run{Rotator: r, event: Event{SecretID: secretARN}, secrets: secrets, log: log}
	m, err := run.describe(ctx)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	journal, err := readJournal(m.labels)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	for _, rec := range failed(journal) {
		if err := run.forget(ctx, rec); err != nil {
			return fmt.Errorf("release: %w", err)
		}
		log.Warn("the schedule may rotate again", audit, didRelease, "version", rec.id)
	}
	for _, rec := range journal {
		if rec.entry.phase != phaseHeld {
			continue
		}
		if err := run.release(ctx, rec); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	return r.Reconcile(ctx, secretARN, log, secrets)
}

// release has what was held go on. If another invocation holds the lock, it waits
// for as long as that one may watch.
func (r *run) release(ctx context.Context, rec record) error {
	deadline := time.Now().Add(2*r.limits.Watch + timeToChange)
	for {
		err := r.underLock(ctx, rec, func(ctx context.Context, o opened) error {
			e := o.entry
			// Without the version promoted over it: what comes now is no reason
			// any more to roll that back.
			e.phase, e.next, e.since = phaseOld, "", o.now
			// A crash before the entry leaves it held, which is the safe side.
			if err := r.redeployAndNote(ctx, record{id: o.id, entry: e, labels: o.labels}, metadata{now: o.now}); err != nil {
				return err
			}
			r.log.Warn("what was held goes on", audit, didRelease, "version", o.id)
			return nil
		})
		if !errors.Is(err, errBusy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(betweenLocks):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// betweenLocks is the time from one attempt to take a lock to the next.
const betweenLocks = 500 * time.Millisecond
