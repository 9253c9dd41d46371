package ecs

import (
	"context"
	"fmt"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Secrets is where containers' secrets come from.
type Secrets interface {
	// SecretText reads a version of a secret, by its label or its id, by default the current one. The text is nil if the
	// value is binary.
	SecretText(secretARN, label, version string) (text *string, err error)
}

// Bus takes the events of ECS.
type Bus interface {
	DeploymentStateChange(service, name, deployment string, detail any)
}

// StandIn is a [Core] whose services and tasks run by themselves.
type StandIn struct {
	*Core
	host    *host.Host
	calls   *wire.Recorder
	secrets Secrets
}

// New makes a stand-in with the cluster "default" and nothing in it. Reading a task's secrets is recorded as a call.
func New(h *host.Host, calls *wire.Recorder, secrets Secrets, bus Bus, o Options) *StandIn {
	s := &StandIn{Core: NewCore(h.Env(), o), host: h, calls: calls, secrets: secrets}
	s.hooks.DeploymentStateChange = bus.DeploymentStateChange
	s.hooks.At = func(t time.Time, ring func()) { h.Clock.At(t, ring) }
	s.hooks.Placed = func(t *task) { h.Spawn(func() { s.live(t) }) }
	return s
}

// RunService registers a task definition, creates a service of it, and returns the service's ARN. Its first deployment
// goes on in the background.
func (s *StandIn) RunService(o Service) (arn string, err error) {
	if o.Run == nil {
		return "", fmt.Errorf("localaws: service %q needs a Run", o.Name)
	}
	svc, err := s.createService(o)
	if err != nil {
		return "", err
	}
	if !s.host.Spawn(func() { s.control(svc) }) {
		return "", host.ErrClosed
	}
	return svc.arn, nil
}

// RunTask starts a standalone task, which no service looks after, and returns its ARN. Of the service it takes the
// cluster, the family and what concerns the container.
func (s *StandIn) RunTask(o Service, startedBy string) (arn string, err error) {
	if o.Run == nil {
		return "", fmt.Errorf("localaws: a task of family %q needs a Run", o.Family)
	}
	return s.Core.RunTask(o, startedBy)
}

// WaitService waits until a service is stable: its latest deployment has completed and no task of an older one is left.
// An empty cluster stands for the default one.
func (s *StandIn) WaitService(ctx context.Context, cluster, name string) error {
	for {
		changed, ended := s.host.Events.Changed()
		s.mu.Lock()
		svc, err := s.findService(cluster, name)
		stable := err == nil && svc.stable()
		s.mu.Unlock()
		switch {
		case err != nil:
			return err
		case stable:
			return nil
		case ended:
			return host.ErrClosed
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for service %s: %w", name, context.Cause(ctx))
		case <-changed:
		}
	}
}

// control moves a service towards what it is to be, until the host is closed.
func (s *StandIn) control(svc *service) {
	for {
		s.mu.Lock()
		wait := svc.step()
		s.mu.Unlock()
		var again <-chan time.Time
		if wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-s.host.Context().Done():
			return
		case <-svc.wake:
		case <-again:
		}
	}
}
