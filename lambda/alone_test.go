package main

import (
	"context"
	"strings"
	"testing"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/rig"
)

func TestAJobThatNoServiceRunsKeepsTheOldPasswordUntilItEnds(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	end, last := make(chan struct{}), make(chan error, 1)
	job, err := d.AWS.ECS.RunTask(localecs.Service{
		Cluster: rig.ClusterName, Family: "nightly-import",
		Secrets: []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: d.SecretARN + ":database_password::"}},
		Run: func(ctx context.Context, task localecs.Task) error {
			task.Ready()
			<-end
			last <- d.Login(ctx, task.Env["MAUTIC_DB_PASSWORD"])
			return nil
		},
	}, "a schedule")
	if err != nil {
		t.Fatal(err)
	}
	ready := func(status string) func(host.Event) bool {
		return func(e host.Event) bool {
			changed, ok := e.(localecs.TaskChanged)
			return ok && changed.Task == job && changed.Status == status
		}
	}
	if _, err := d.AWS.WaitEvent(t.Context(), ready("RUNNING")); err != nil {
		t.Fatal(err)
	}
	d.mustRotate()
	d.mustBeSteady()
	for range 3 {
		d.mustReconcile()
	}
	if journal := d.journal(); strings.Contains(journal, "converged") {
		t.Errorf("the rollout has ended, and the job has not: %s", journal)
	}
	if !strings.Contains(d.log.String(), "of task definition nightly-import:1, outside any service") {
		t.Error("the log does not tell what is waited for")
	}
	close(end)
	if err := <-last; err != nil {
		t.Errorf("the job's last login: %v", err)
	}
	if _, err := d.AWS.WaitEvent(t.Context(), ready("STOPPED")); err != nil {
		t.Fatal(err)
	}
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}
