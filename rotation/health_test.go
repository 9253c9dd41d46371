package rotation_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// quickly are pauses for a stand-in that does not lag.
var quickly = rotation.Pauses{Read: time.Millisecond, Health: time.Millisecond, Second: time.Millisecond, Generate: time.Millisecond}

// health is an application that is well, or ill whenever it is asked.
type health struct {
	sick  atomic.Bool
	asked atomic.Int64
	flaps atomic.Int64 // how many of the next answers are bad all the same
}

func (h *health) Check(context.Context) error {
	h.asked.Add(1)
	if h.sick.Load() || h.flaps.Add(-1) >= 0 {
		return errors.New("it answers 500")
	}
	return nil
}

// watchHealth has the engine ask whether the application is healthy.
func (e *engine) watchHealth(h *health) {
	e.reconfigure(func(c *rotation.Config) { c.Health = h })
}

// reconfigure gives the engine a rotator with other settings.
func (e *engine) reconfigure(change func(*rotation.Config)) {
	c := rotation.Config{
		SecretsManager: e.secrets,
		Kinds:          []credential.Kind{&e.database, &e.api, &e.admin, &e.webhook},
		Services:       &e.services,
		Limits:         limits,
		Pauses:         quickly,
	}
	change(&c)
	e.Rotator = rotation.New(c)
}

// elsewhere is the database whose settings name a place that no document has.
type elsewhere struct{ *pair }

func (elsewhere) Fields(document.Document) ([]document.Pointer, error) { return nil, nil }

func (elsewhere) Value(document.Document) (credential.Value, bool, error) {
	return credential.Value{}, false, nil
}
