package ecs

import (
	"cmp"

	"mautic-rotation/internal/localaws/wire"
)

// API describes the operations for the wire.
func (c *Core) API() *wire.JSONService {
	return &wire.JSONService{
		Name:          "ecs",
		Target:        "AmazonEC2ContainerServiceV20141113",
		MessageMember: "message",
		Telling: []string{
			"cluster", "service", "services", "serviceName", "family", "desiredStatus", "startedBy", "tasks", "forceNewDeployment",
			"desiredCount", "taskDefinition",
		},
		Operations: map[string]wire.Operation{
			"DeregisterTaskDefinition": wire.Handle(c.DeregisterTaskDefinition),
			"DescribeClusters":         wire.Handle(c.DescribeClusters),
			"DescribeServices":         wire.Handle(c.DescribeServices),
			"DescribeTaskDefinition":   wire.Handle(c.DescribeTaskDefinition),
			"DescribeTasks":            wire.Handle(c.DescribeTasks),
			"ListServiceDeployments":   wire.Handle(c.ListServiceDeployments),
			"ListServices":             wire.Handle(c.ListServices),
			"ListTasks":                wire.Handle(c.ListTasks),
			"UpdateService":            wire.Handle(c.UpdateService),
		},
	}
}

// AccessRules say what IAM is asked about each operation. ListTasks has the container instance for its type, but asks for *
// where the request names none (https://github.com/cdklabs/construct-hub/pull/1207).
func (c *Core) AccessRules() wire.Rules {
	return wire.Rules{
		"ecs:DescribeServices":       {Resources: c.inCluster("service", "services"), Keys: c.clusterKey},
		"ecs:DescribeTaskDefinition": {Resources: wire.Everything},
		"ecs:DescribeTasks":          {Resources: c.inCluster("task", "tasks"), Keys: c.clusterKey},
		"ecs:ListServiceDeployments": {Resources: c.inCluster("service", "service"), Keys: c.clusterKey},
		"ecs:ListServices":           {Resources: wire.Everything, Keys: c.clusterKey},
		"ecs:ListTasks":              {Resources: wire.Everything, Keys: c.clusterKey},
		"ecs:UpdateService":          {Resources: c.inCluster("service", "service"), Keys: c.clusterKey},
	}
}

// inCluster are the things of a kind that a member of the request names, all of the request's cluster.
func (c *Core) inCluster(kind, member string) func(wire.Members) []string {
	return func(m wire.Members) (arns []string) {
		for _, id := range m[member] {
			arns = append(arns, c.env.Account.ARN("ecs", kind+"/"+clusterNamed(m)+"/"+lastPart(id)))
		}
		return arns
	}
}

func (c *Core) clusterKey(m wire.Members) map[string][]string {
	return map[string][]string{"ecs:cluster": {c.clusterARN(clusterNamed(m))}}
}

func clusterNamed(m wire.Members) string { return cmp.Or(lastPart(m.First("cluster")), "default") }
