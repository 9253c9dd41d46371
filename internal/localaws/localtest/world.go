package localtest

import (
	"math/rand/v2"
	"time"

	"mautic-rotation/internal/localaws/host"
)

// World is what the core of a service runs on without a server: a clock that stands still until a test moves it, for AWS's
// time and the real one, and random bytes from a seed.
type World struct {
	Now    time.Time
	Events []host.Event
}

// NewWorld returns a world on New Year's Day 2026.
func NewWorld() *World { return &World{Now: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)} }

// Env is the world as a service sees it.
func (w *World) Env(seed byte) host.Env {
	now := func() time.Time { return w.Now }
	return host.Env{
		Account: host.Account{Region: "us-east-1", ID: "123456789012"}, Now: now, RealNow: now,
		Random: host.NewRandom(rand.NewChaCha8([32]byte{seed})),
		Emit:   func(e host.Event) { w.Events = append(w.Events, e) },
	}
}
