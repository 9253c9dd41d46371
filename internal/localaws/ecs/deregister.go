package ecs

import (
	"context"

	"mautic-rotation/internal/localaws/wire"
)

// DeregisterTaskDefinition makes a revision INACTIVE: it is described as before, and the tasks that run with it stay; a
// new deployment cannot use it.
func (c *Core) DeregisterTaskDefinition(_ context.Context, in DescribeTaskDefinitionInput) (out DescribeTaskDefinitionOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.findDefinition(in.TaskDefinition)
	if d == nil {
		return out, &wire.Error{Code: "ClientException", Message: "The specified task definition does not exist. Specify a valid account, family, revision and try again."}
	}
	d.inactive = true
	return DescribeTaskDefinitionOutput{d.describe()}, nil
}

func (d *taskDefinition) status() string {
	if d.inactive {
		return "INACTIVE"
	}
	return "ACTIVE"
}
