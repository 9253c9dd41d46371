package contract

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mautic-rotation/internal/localaws"
)

// A Place is where questions are asked. The code that asks is the same in each; what differs is how time passes.
type Place struct {
	Name   string
	Config aws.Config

	Now  func() time.Time
	Pass func(context.Context, time.Duration) error // lets time pass, and what is under way come to an end

	Poll   time.Duration // between two looks at what is awaited
	Settle time.Duration // until reads do not lag behind a write any more
	Stay   time.Duration // in which two events surely overlap

	Parallel int  // facts that are asked at the same time
	Policies bool // the policies of roles are evaluated
}

// AWS is the account and region that a configuration is for.
func AWS(ctx context.Context, cfg aws.Config) (Place, error) {
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return Place{}, fmt.Errorf("ask AWS whose credentials these are: %w", err)
	}
	return Place{
		Name:   fmt.Sprintf("AWS, account %s, region %s", *who.Account, cfg.Region),
		Config: cfg,
		Now:    time.Now,
		Pass: func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		Poll: 2 * time.Second, Settle: 5 * time.Second, Stay: 4 * time.Second,
		Parallel: 8, Policies: true, // a new account lets ten invocations run at once
	}, nil
}

// StandIn is a stand-in for AWS. Its clock is moved, so nothing else may be going on in it that waits for a time.
func StandIn(srv *localaws.Server) Place {
	return Place{
		Name:   "the stand-in",
		Config: srv.Config(),
		Now:    srv.Clock().Now,
		Pass: func(ctx context.Context, d time.Duration) error {
			srv.Clock().Advance(d)
			if err := srv.EventBridge.WaitIdle(ctx); err != nil {
				return err
			}
			for arn := range srv.SecretsManager.Tags() {
				if r := srv.SecretsManager.Rotation(arn); r != nil {
					_ = srv.SecretsManager.WaitRotation(ctx, arn, r.Token) // how it ends is for others to see
				}
			}
			return ctx.Err()
		},
		Poll: 5 * time.Millisecond, Stay: 300 * time.Millisecond,
		Parallel: 1,
	}
}
