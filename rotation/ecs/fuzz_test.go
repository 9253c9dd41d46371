package ecs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// FuzzSecretUse looks for the secret in a task definition with any valueFrom. A
// pinned version's remedy is a reference to the same value that pins none.
func FuzzSecretUse(f *testing.F) {
	for _, valueFrom := range []string{
		"", ":", "arn", "arn:", "arn:aws:::::", secretARN, secretARN + ":", secretARN + ":password::", secretARN + ":password:AWSCURRENT:" + versionID,
		secretARN + "::AWSPENDING:", secretARN + ":a:b:c:d:e", "mautic/prod:key:AWSPREVIOUS", "mautic/prod", strings.Repeat(":", 70000), "é-\xff\xfe",
	} {
		f.Add(valueFrom, secretARN)
	}
	f.Add("x", "x")
	f.Add("mautic", "arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic-\xc3\xa9Cdef")
	f.Fuzz(func(t *testing.T, valueFrom, arn string) {
		definition := types.TaskDefinition{
			Family: aws.String("mautic"),
			ContainerDefinitions: []types.ContainerDefinition{
				{},
				{Name: aws.String("app"), Image: &valueFrom, Secrets: []types.Secret{{}, {Name: aws.String("PASSWORD"), ValueFrom: &valueFrom}}},
			},
		}
		problem, warning := secretUse(definition, arn)
		if problem != nil && warning != nil {
			t.Fatalf("it is read and not read: %v, %v", problem, warning)
		}
		_ = mutableImages(definition)
		if plain, _ := secretUse(withValueFrom(definition, arn), arn); strings.HasPrefix(arn, "arn:") && strings.Count(arn, ":") == 6 && plain != nil {
			t.Fatalf("the whole secret's ARN is a problem: %v", plain)
		}
		from := parseReference(valueFrom)
		unpinned := parseReference(from.unpinned())
		if unpinned.pin() != "" || unpinned.secret != from.secret || unpinned.key != from.key || unpinned.of(arn) != from.of(arn) {
			t.Fatalf("%q without its pin is %q", valueFrom, from.unpinned())
		}
		if problem, _ := secretUse(withValueFrom(definition, from.unpinned()), arn); problem != nil {
			t.Fatalf("the remedy has the problem too: %v", problem)
		}
	})
}

func withValueFrom(definition types.TaskDefinition, valueFrom string) types.TaskDefinition {
	definition.ContainerDefinitions = []types.ContainerDefinition{{Secrets: []types.Secret{{ValueFrom: &valueFrom}}}}
	return definition
}

// FuzzObserve tells of tasks, deployments and events of any times and states how
// far a service has come. Each byte of the two lists is one of them.
func FuzzObserve(f *testing.F) {
	f.Add([]byte{0x80}, []byte{0x00}, int8(1), int8(1), "")
	f.Add([]byte{0x01, 0x82, 0x44}, []byte{0x03, 0x81}, int8(2), int8(1), "(service web) rolling back to deployment ecs-svc/1.")
	f.Add([]byte{0xff, 0x00, 0x7f}, []byte{}, int8(-1), int8(0), "rollsBack")
	f.Add([]byte{}, []byte{0xff, 0xfe, 0x10, 0x21}, int8(100), int8(100), "ROLLING BACK")
	since := time.Date(2026, 11, 22, 21, 4, 5, 123000000, time.UTC)
	// near is a time that is told, mostly, within some milliseconds of since.
	near := func(b byte) *time.Time {
		if b&7 == 7 {
			return nil
		}
		return aws.Time(since.Add(time.Duration(int(b&7)-3) * time.Millisecond))
	}
	statuses := []string{"RUNNING", "STOPPED", "STOPPING", "DELETED", "PENDING", "DEACTIVATING", "", "UNKNOWN"}
	states := []types.DeploymentRolloutState{"", types.DeploymentRolloutStateCompleted, types.DeploymentRolloutStateFailed, types.DeploymentRolloutStateInProgress}
	f.Fuzz(func(t *testing.T, tasks, deployments []byte, running, desired int8, message string) {
		web := found{name: "web", service: types.Service{RunningCount: int32(running), DesiredCount: int32(desired)}}
		for _, b := range tasks {
			web.tasks = append(web.tasks, types.Task{TaskArn: &message, CreatedAt: near(b), LastStatus: aws.String(statuses[b>>3&7]), DesiredStatus: aws.String(statuses[b>>6])})
		}
		for _, b := range deployments {
			web.service.Deployments = append(web.service.Deployments, types.Deployment{
				Id: &message, CreatedAt: near(b), RolloutState: states[b>>3&3], RolloutStateReason: &message, Status: aws.String([]string{"PRIMARY", "ACTIVE"}[b>>5&1]),
			})
			web.service.Events = append(web.service.Events, types.ServiceEvent{CreatedAt: near(b >> 5), Message: &message})
		}
		old := slices.ContainsFunc(web.tasks, func(task types.Task) bool {
			status := *task.LastStatus
			return status != "STOPPED" && status != "DELETED" && (task.CreatedAt == nil || task.CreatedAt.Before(since))
		})
		listed := 0
		for _, task := range web.tasks {
			if !isStopped(task) {
				listed++
			}
		}
		o := observe(web, nil, since)
		if want := old || int(running) > listed; want != (len(o.Older) > 0) {
			t.Fatalf("older are %v, and of %d tasks %d are listed", o.Older, running, listed)
		}
		if o.Fresh < 0 || o.Fresh > listed || o.Desired != int(desired) {
			t.Fatalf("observed is %+v, of %d listed tasks", o, listed)
		}
		if (o.Deployed || o.Deploying || o.Failed != "") && len(deployments) == 0 {
			t.Fatalf("without a deployment, observed is %+v", o)
		}
		// One that is missing tells of nothing else.
		web.missing = "it is deleted"
		if gone := observe(web, nil, since); gone.Missing == "" || gone.Fresh != 0 || gone.Failed != "" || len(gone.Older) > 0 {
			t.Fatalf("of one that is missing, observed is %+v", gone)
		}
	})
}
