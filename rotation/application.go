package rotation

import (
	"context"
	"log/slog"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/rollout"
)

// A Health tells whether the application works, as far as one can see from
// outside.
type Health interface {
	// Check returns what is wrong, or nil. An application that cannot be asked is
	// not well.
	Check(ctx context.Context) error
}

// Services restart what reads the secret when it starts.
type Services interface {
	// Names are those of the services.
	Names() []string

	// Observe tells of each service how far it has come with replacing what was
	// created before since, by the clock of whoever creates it. A service that is
	// not there is no error. A task that is pinned to a version of the secret never
	// counts as new.
	Observe(ctx context.Context, secretARN string, since time.Time) ([]rollout.Service, error)

	// Deploying is Observe for a rollout that has converged: it tells of each service
	// no more than whether it is missing, and whether it is being deployed.
	Deploying(ctx context.Context, since time.Time) ([]rollout.Service, error)

	// RedeployService starts new tasks in place of a service's running ones, and
	// returns when that has begun. Calling it again starts new tasks once more.
	RedeployService(ctx context.Context, name string, log *slog.Logger) error

	// TaskAt names the task that has a private address, if there is one.
	TaskAt(ctx context.Context, address string) (task string, ok bool)

	// Preflight finds out whether a redeploy would work, and whether what it
	// restarts reads the secret.
	Preflight(ctx context.Context, secretARN string) []credential.Check

	// Others finds out whether anything beside the services reads the secret. No redeploy
	// depends on it.
	Others(ctx context.Context, secretARN string) []credential.Check
}

// Limits bound how long things may take.
type Limits struct {
	// Rollout is how long the services may take until every task is new and the
	// application healthy, after which a promotion is rolled back. ECS's own bake
	// time comes on top.
	Rollout time.Duration
	// Observe is for how long after that the use of an old value is looked for,
	// before it is quarantined.
	Observe time.Duration
	// Watch is for how long one invocation watches for use of a value that it has
	// quarantined; and before that too, if Observe is 0.
	Watch time.Duration
	// OverlapWithoutServices is how long a rollout takes when there are no services
	// whose tasks would tell that it has converged.
	OverlapWithoutServices time.Duration
}

// DefaultLimits are for services of the usual size, and jobs that run each hour.
var DefaultLimits = Limits{Rollout: 30 * time.Minute, Observe: time.Hour, Watch: 15 * time.Second, OverlapWithoutServices: 24 * time.Hour}

// rotationLimit is how long a rotation may be under way before it is given up.
// Secrets Manager has given up long before.
const rotationLimit = 24 * time.Hour

// betweenIll is how far apart two reconciles are that find the application
// unhealthy, before that counts against a promotion.
const betweenIll = 5 * time.Minute

func (l Limits) plan() plan.Limits {
	return plan.Limits{
		Rollout: l.Rollout, Observe: l.Observe, Watch: l.Watch, WithoutServices: l.OverlapWithoutServices,
		Rotation: rotationLimit, Ill: betweenIll,
	}
}

// howToRelease is what an operator does about an overlap that is held.
const howToRelease = "release it (mautic-rotation release)"
