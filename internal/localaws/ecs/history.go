package ecs

import (
	"context"
	"slices"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// serviceDeployment is what ECS remembers of a deployment once it is over, whatever the service's strategy. A rollback is part of
// the deployment that failed, and not one of its own.
type serviceDeployment struct {
	id, status, reason string
	deployment         *deployment
	created, finished  time.Time
}

// keepDeployments is how long ECS shows a service deployment.
const keepDeployments = 90 * 24 * time.Hour

// record begins a service deployment. One that is under way is superseded.
func (svc *service) record(d *deployment) {
	if len(svc.history) > 0 && svc.history[0].finished.IsZero() {
		svc.history[0].end("STOPPED", "Superseded by another service deployment.", svc.core.env.Now())
	}
	now := svc.core.env.Now()
	s := &serviceDeployment{id: svc.core.env.Random.Text(21, host.Hex), status: "IN_PROGRESS", deployment: d, created: now}
	svc.history = slices.DeleteFunc(svc.history, func(old *serviceDeployment) bool { return now.Sub(old.created) > keepDeployments })
	svc.history = slices.Insert(svc.history, 0, s)
}

func (s *serviceDeployment) end(status, reason string, at time.Time) {
	s.status, s.reason, s.finished = status, reason, at
}

// finish ends the service deployment that is under way, when a deployment has completed: its own, or the one that it is rolled back to.
func (svc *service) finish(d *deployment) {
	s := svc.history[0]
	switch {
	case !s.finished.IsZero():
	case s.deployment == d:
		s.end("SUCCESSFUL", "", svc.core.env.Now())
	default:
		s.end("ROLLBACK_SUCCESSFUL", s.reason, svc.core.env.Now())
	}
}

// fail notes that the deployment under way has failed, and whether it is rolled back.
func (svc *service) fail(d *deployment, rollsBack bool) {
	s := svc.history[0]
	switch {
	case s.deployment != d: // what it rolls back to has failed too
		s.end("ROLLBACK_FAILED", s.reason, svc.core.env.Now())
	case rollsBack:
		s.status, s.reason = "ROLLBACK_IN_PROGRESS", d.reason
	default:
		s.end("STOPPED", d.reason, svc.core.env.Now())
	}
}

// ListServiceDeploymentsInput asks for a page of a service's deployments.
type ListServiceDeploymentsInput struct {
	Cluster   string   `json:"cluster"`
	Service   string   `json:"service"`
	Status    []string `json:"status"`
	CreatedAt struct {
		After  float64 `json:"after"` // seconds since 1970
		Before float64 `json:"before"`
	} `json:"createdAt"`
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

// ServiceDeploymentBrief is what the list tells of a service deployment.
type ServiceDeploymentBrief struct {
	ARN        string     `json:"serviceDeploymentArn"`
	ServiceARN string     `json:"serviceArn"`
	ClusterARN string     `json:"clusterArn"`
	Status     string     `json:"status"`
	Reason     string     `json:"statusReason,omitempty"`
	CreatedAt  wire.Epoch `json:"createdAt"`
	StartedAt  wire.Epoch `json:"startedAt"`
	FinishedAt wire.Epoch `json:"finishedAt,omitzero"`
}

// ListServiceDeploymentsOutput is the answer of ListServiceDeployments.
type ListServiceDeploymentsOutput struct {
	ServiceDeployments []ServiceDeploymentBrief `json:"serviceDeployments"`
	NextToken          string                   `json:"nextToken,omitempty"`
}

// ListServiceDeployments lists a service's deployments of the last 90 days, the newest first.
func (c *Core) ListServiceDeployments(_ context.Context, in ListServiceDeploymentsInput) (out ListServiceDeploymentsOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	svc, err := c.findService(in.Cluster, in.Service)
	if err != nil {
		return out, err
	}
	list := []ServiceDeploymentBrief{}
	for _, s := range svc.history {
		created := float64(s.created.UnixMilli()) / 1000
		if in.CreatedAt.After != 0 && created <= in.CreatedAt.After || in.CreatedAt.Before != 0 && created >= in.CreatedAt.Before ||
			len(in.Status) > 0 && !slices.Contains(in.Status, s.status) {
			continue
		}
		list = append(list, ServiceDeploymentBrief{
			ARN:        c.env.Account.ARN("ecs", "service-deployment/"+svc.Cluster+"/"+svc.Name+"/"+s.id),
			ServiceARN: svc.arn, ClusterARN: c.clusterARN(svc.Cluster), Status: s.status, Reason: s.reason,
			CreatedAt: wire.Epoch(s.created), StartedAt: wire.Epoch(s.created), FinishedAt: wire.Epoch(s.finished),
		})
	}
	if out.ServiceDeployments, out.NextToken, err = wire.Page(list, in.MaxResults, 100, in.NextToken); err != nil {
		return out, invalidParameter("Invalid token.")
	}
	return out, nil
}
