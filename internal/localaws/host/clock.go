package host

import (
	"slices"
	"sync"
	"time"
)

// Clock is the time of a stand-in. It runs in real time, ahead of it by an offset that [Clock.Advance] adds to. The zero
// value shows the real time.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
	alarms []*alarm
	timer  *time.Timer
}

type alarm struct {
	at   time.Time
	ring func()
}

// ClockAt returns a clock that shows t now.
func ClockAt(t time.Time) *Clock {
	return &Clock{offset: time.Until(t)}
}

// Now returns the clock's time in UTC, to the millisecond: AWS's timestamps carry no more, and so a time read here
// compares equal to the same time read from a reply.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	return time.Now().Add(c.offset).UTC().Truncate(time.Millisecond)
}

// Advance moves the clock forward by d. Schedules that it passes fire, each in a goroutine of its own and each once,
// however many of its periods were passed.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += max(d, 0)
	c.ringDue()
}

// At calls ring once the clock shows t or later, unless stopped before.
func (c *Clock) At(t time.Time, ring func()) (stop func()) {
	a := &alarm{at: t, ring: ring}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarms = append(c.alarms, a)
	c.ringDue()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.alarms = slices.DeleteFunc(c.alarms, func(b *alarm) bool { return a == b })
	}
}

// ringDue rings what is due and sets the timer for what comes next. The caller holds the lock.
func (c *Clock) ringDue() {
	if c.timer != nil {
		c.timer.Stop()
	}
	now := c.now()
	var next time.Time
	c.alarms = slices.DeleteFunc(c.alarms, func(a *alarm) bool {
		if !a.at.After(now) {
			go a.ring()
			return true
		}
		if next.IsZero() || a.at.Before(next) {
			next = a.at
		}
		return false
	})
	if next.IsZero() {
		return
	}
	c.timer = time.AfterFunc(next.Sub(now), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ringDue()
	})
}
