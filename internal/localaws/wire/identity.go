package wire

import (
	"context"

	"mautic-rotation/internal/localaws/host"
)

// Operator is the name of the IAM user that every client is whose key is not that of a Lambda environment.
const Operator = "operator"

// Identity is who makes a call, as STS and CloudTrail tell it.
type Identity struct {
	Type      string // IAMUser or AssumedRole
	ID        string // AIDA…, or AROA…:session
	ARN       string
	Name      string // of the user, or the session
	RoleARN   string // of AssumedRole
	AccountID string
}

// IdentityOf tells who a caller is: the role of a function or an ECS service, or the [Operator].
func IdentityOf(account host.Account, c Caller) Identity {
	i := Identity{Type: "AssumedRole", AccountID: account.ID}
	switch {
	case c.Function != "":
		i.Name = c.Function
		return i.assumed(c.Function)
	case c.Task != "":
		i.Name = "ecs-task"
		return i.assumed("ecsTaskExecutionRole")
	}
	i.Type, i.Name = "IAMUser", Operator
	i.ID, i.ARN = "AIDAIOSFODNN7EXAMPLE", "arn:aws:iam::"+account.ID+":user/"+Operator
	return i
}

func (i Identity) assumed(role string) Identity {
	i.ID = "AROAIOSFODNN7EXAMPLE:" + i.Name
	i.ARN = "arn:aws:sts::" + i.AccountID + ":assumed-role/" + role + "/" + i.Name
	i.RoleARN = "arn:aws:iam::" + i.AccountID + ":role/" + role
	return i
}

type callerKey struct{}

// CallerOf returns who makes the call that an operation is applied for.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
