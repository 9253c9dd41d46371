package ecs

import (
	"context"
	"maps"
	"time"
)

// live is a task from its creation to its end. Between the two, its secrets are read once: after the placement, so
// that a task may be created before a rotation and start with what the rotation wrote, or the other way round.
func (s *StandIn) live(t *task) {
	c := t.definition.container
	if !s.pause(t, c.PlacementTime) {
		s.end(t, nil, "")
		return
	}
	t.become("PENDING")
	env, err := s.environment(t)
	if err != nil {
		s.end(t, nil, "ResourceInitializationError: unable to pull secrets or registry auth: "+err.Error())
		return
	}
	if !s.pause(t, c.StartTime) {
		s.end(t, nil, "")
		return
	}
	s.run(t, env)
}

// run is the life of the task's container.
func (s *StandIn) run(t *task, env map[string]string) {
	c := t.definition.container
	t.become("RUNNING")
	view := Task{
		ARN: t.arn, Cluster: t.cluster, CreatedAt: t.created, Env: env, ready: t.ready,
	}
	if t.service != nil {
		view.Service, view.Deployment = t.service.Name, t.startedBy
	}
	ctx, terminate := context.WithCancel(context.Background())
	defer terminate()
	exited := make(chan error, 1)
	go func() { exited <- c.Run(ctx, view) }()

	select {
	case err := <-exited:
		s.exit(t, err)
		return
	case <-s.host.Context().Done():
	case <-t.stopAsked:
		t.become("DEACTIVATING")
		select {
		case <-time.After(c.DrainTime):
		case <-s.host.Context().Done():
		}
		t.become("STOPPING")
	}
	terminate()
	select {
	case err := <-exited:
		s.exit(t, err)
	case <-time.After(c.StopTimeout):
		killed := 137
		s.end(t, &killed, "")
	}
}

// exit ends the task after its container returned.
func (s *StandIn) exit(t *task, err error) {
	code := 0
	if err != nil {
		code = 1
	}
	s.end(t, &code, "Essential container in task exited")
}

// pause lets time pass, and returns false if the task is to stop meanwhile.
func (s *StandIn) pause(t *task, d time.Duration) bool {
	select {
	case <-time.After(d):
	case <-t.stopAsked:
	case <-s.host.Context().Done():
	}
	select {
	case <-t.stopAsked:
		return false
	default:
		return s.host.Context().Err() == nil
	}
}

// end ends a task.
func (s *StandIn) end(t *task, exitCode *int, reason string) {
	t.end(exitCode, reason, s.host.Context().Err() != nil)
}

// environment is what a task's container is started with.
func (s *StandIn) environment(t *task) (map[string]string, error) {
	env := maps.Clone(t.definition.container.Environment)
	if env == nil {
		env = map[string]string{}
	}
	for _, secret := range t.definition.container.Secrets {
		v, err := s.secretValue(t, secret.ValueFrom)
		if err != nil {
			return nil, err
		}
		env[secret.Name] = v
	}
	return env, nil
}
