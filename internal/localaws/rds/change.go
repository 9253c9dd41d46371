package rds

import (
	"context"
	"errors"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/host"
)

// Changes carries out the changes of passwords that were ordered.
type Changes interface {
	// Ordered is told of a change. It is called with the stand-in's lock held, and so has to return before it calls the
	// change's methods.
	Ordered(*Change)
}

// Change is a change of a master user's password that was ordered. It is begun once and then applied once.
type Change struct{ master *master }

// Begin enters the status resetting-master-credentials. From then on no further order is taken.
func (c *Change) Begin() {
	m := c.master
	m.rds.mu.Lock()
	defer m.rds.mu.Unlock()
	m.before, m.status = m.status, resetting
	m.changed()
}

// Apply changes the password at the server and returns to the status from before.
func (c *Change) Apply(ctx context.Context) {
	m := c.master
	m.rds.mu.Lock()
	password := m.pending
	m.rds.mu.Unlock()

	var err error
	if m.user.SetPassword != nil {
		err = m.user.SetPassword(ctx, m.user.Name, password)
	}

	m.rds.mu.Lock()
	defer m.rds.mu.Unlock()
	m.status, m.pending = m.before, ""
	if err != nil {
		// A server quotes the statement that it does not understand.
		m.failure = errors.New(strings.ReplaceAll(err.Error(), password, "****"))
	} else {
		m.set++
	}
	m.changed()
}

// background takes changes through their states in real time.
type background struct{ host *host.Host }

func (b *background) Ordered(c *Change) {
	b.host.Spawn(func() {
		if !b.wait(c.master.user.LingerTime) {
			return
		}
		c.Begin()
		if b.wait(c.master.user.ResettingTime) {
			c.Apply(b.host.Context())
		}
	})
}

// wait waits, or reports false if the host is closed meanwhile.
func (b *background) wait(d time.Duration) bool {
	select {
	case <-b.host.Context().Done():
		return false
	case <-time.After(d):
		return true
	}
}
