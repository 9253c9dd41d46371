package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	localecs "mautic-rotation/internal/localaws/ecs"
	locallambda "mautic-rotation/internal/localaws/lambda"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/plan"
)

// tell adds to a rotation what happened when.
func (d *deployment) tell(ctx context.Context, r *rotation, changes []storedChange) (err error) {
	d.tellEvents(r)
	fresh, err := d.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return err
	}
	d.tellTasks(r, fresh)
	if err := d.tellPasswords(ctx, r, changes, fresh); err != nil {
		return err
	}

	if err := d.Login(ctx, fresh); err != nil {
		return fmt.Errorf("a login with the new password: %w", err)
	}
	switch err := d.Login(ctx, d.Password); {
	case isRefusal(err):
		d.mark(refused, d.began.Add(time.Duration(r.end()*float64(time.Second))))
	case err == nil:
		return errors.New("the old password is accepted at the end")
	default:
		return fmt.Errorf("a login with the old password: %w", err)
	}
	return nil
}

// tellEvents adds the steps, and the marks that the stand-in for AWS and the function's
// log tell of.
func (d *deployment) tellEvents(r *rotation) {
	for _, event := range d.AWS.Events() {
		at := event.When()
		if at.Before(d.began.Truncate(time.Millisecond)) {
			continue
		}
		switch e := event.(type) {
		case localsecretsmanager.StepFinished:
			if r.Steps == nil {
				r.Steps = map[string]span{}
			}
			r.Steps[e.Step] = span{From: d.since(at.Add(-e.Duration)), To: d.since(at)}
		case localsecretsmanager.LabelUpdated:
			if slices.Contains(e.Labels, "AWSCURRENT") {
				d.mark(promoted, at)
			}
		case localecs.DeploymentChanged:
			if e.Status == "PRIMARY" && e.RolloutState == "IN_PROGRESS" {
				d.mark(redeployed, at)
			}
		case locallambda.FunctionLog:
			d.tellLog(e.Line, at)
		}
	}
}

// tellLog adds the marks of a line of the function's log.
func (d *deployment) tellLog(line string, at time.Time) {
	var entry struct{ Audit, Decision string }
	if json.Unmarshal([]byte(line), &entry) != nil {
		return
	}
	switch {
	case entry.Decision == string(plan.Converge):
		d.mark(converged, at)
	case entry.Audit == quarantined, entry.Audit == retired:
		d.mark(entry.Audit, at)
	}
}

// tellTasks adds which tasks ran when, and when the last one with the old password
// stopped.
func (d *deployment) tellTasks(r *rotation, fresh string) {
	type change struct {
		at       time.Time
		old, new int
	}
	var changes []change
	for _, t := range d.app.Records() {
		one := change{at: t.Started}
		if t.Password == fresh {
			one.new = 1
		} else {
			one.old = 1
		}
		changes = append(changes, one)
		if !t.Stopped.IsZero() {
			changes = append(changes, change{t.Stopped, -one.old, -one.new})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	now := running{At: r.From}
	r.Running = []running{now}
	for _, c := range changes {
		now.Old, now.New = now.Old+c.old, now.New+c.new
		if now.At = d.since(c.at); now.At <= r.From {
			now.At = r.From
			r.Running[0] = now
			continue
		}
		r.Running = append(r.Running, now)
		if now.Old == 0 {
			d.mark(replaced, c.at)
		}
	}
}

// tellPasswords adds what the server accepted when.
func (d *deployment) tellPasswords(ctx context.Context, r *rotation, changes []storedChange, fresh string) error {
	for _, c := range changes {
		now := passwords{At: max(d.since(c.at), r.From)}
		for _, one := range c.stored {
			for password, accepted := range map[string]*bool{d.Password: &now.Old, fresh: &now.New} {
				is, err := d.MySQL.Is(ctx, one, password)
				if err != nil {
					return err
				}
				*accepted = *accepted || is
			}
		}
		r.Passwords = append(r.Passwords, now)
	}
	return nil
}

// storedChange is what the server has stored for the account from a time on.
type storedChange struct {
	at     time.Time
	stored []mysqlserver.Stored
}

// storedWatch reads that over and over. To try the old password by logging in would be use
// of it, which the function would see, and hold the rotation.
type storedWatch struct {
	changes []storedChange
	err     error
	end     func() ([]storedChange, error)
}

// watchStored has looked once when it returns, and goes on until the watch's end, which
// may be called again.
func watchStored(ctx context.Context, r *rig.Rig) (*storedWatch, error) {
	w := &storedWatch{}
	if err := w.look(ctx, r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
			if err := w.look(ctx, r); err != nil {
				if ctx.Err() == nil {
					w.err = err
				}
				return
			}
		}
	})
	w.end = sync.OnceValues(func() ([]storedChange, error) {
		cancel()
		looking.Wait()
		return w.changes, w.err
	})
	return w, nil
}

// look notes what is stored now, if that has changed.
func (w *storedWatch) look(ctx context.Context, r *rig.Rig) error {
	stored, err := r.MySQL.StoredPasswords(ctx, r.User)
	if err != nil {
		return err
	}
	if last := len(w.changes) - 1; last < 0 || !slices.Equal(w.changes[last].stored, stored) {
		w.changes = append(w.changes, storedChange{time.Now(), stored})
	}
	return nil
}
