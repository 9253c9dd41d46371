package rotation

import (
	"context"
	"log/slog"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/rollout"
)

// Health says whether the application works, as far as can be seen from outside.
type Health interface {
	// Check returns what is wrong, or nil. An application that cannot be asked counts as not
	// healthy.
	Check(ctx context.Context) error
}

// Services restart what reads the secret when it starts.
type Services interface {
	// Names are those of the services.
	Names() []string

	// Observe reports, for each service, how far it has come in replacing what was created before
	// since, by the clock of whoever creates it. A service that does not exist is no error. A
	// task that is pinned to a version of the secret never counts as new.
	Observe(ctx context.Context, secretARN string, since time.Time) ([]rollout.Service, error)

	// Deploying is Observe for a rollout that has converged: it only reports whether each service
	// is missing, and whether it is being deployed.
	Deploying(ctx context.Context, since time.Time) ([]rollout.Service, error)

	// RedeployService replaces a service's running tasks, and returns when that has begun.
	// Calling it again replaces them once more.
	RedeployService(ctx context.Context, name string, log *slog.Logger) error

	// TaskAt names the task that has a private address, if there is one.
	TaskAt(ctx context.Context, address string) (task string, ok bool)

	// Preflight checks whether a redeploy would work, and whether what it restarts reads the
	// secret.
	Preflight(ctx context.Context, secretARN string) []credential.Check

	// Others checks whether anything besides the services reads the secret. No redeploy depends
	// on it.
	Others(ctx context.Context, secretARN string) []credential.Check
}

// Limits bound how long things may take.
type Limits struct {
	// Rollout is how long the services have until every task is new and the application healthy;
	// after that a promotion is rolled back. ECS's own bake time is added.
	Rollout time.Duration
	// Observe is how long after that to look for use of an old value, before it is quarantined.
	Observe time.Duration
	// Watch is how long one invocation watches for use of a value that it has quarantined, and
	// before the quarantine too if Observe is 0.
	Watch time.Duration
	// OverlapWithoutServices is how long a rollout takes if there are no services whose tasks
	// show that it has converged.
	OverlapWithoutServices time.Duration
}

// DefaultLimits are for services of the usual size, and for jobs that run every hour.
var DefaultLimits = Limits{Rollout: 30 * time.Minute, Observe: time.Hour, Watch: 15 * time.Second, OverlapWithoutServices: 24 * time.Hour}

// rotationLimit is how long a rotation may take before it is given up. Secrets Manager has
// stopped trying long before.
const rotationLimit = 24 * time.Hour

// betweenIll is the minimum time between two reconciles that find the application unhealthy,
// before that counts against a promotion.
const betweenIll = 5 * time.Minute

func (l Limits) plan() plan.Limits {
	return plan.Limits{
		Rollout: l.Rollout, Observe: l.Observe, Watch: l.Watch, WithoutServices: l.OverlapWithoutServices,
		Rotation: rotationLimit, Ill: betweenIll,
	}
}

// howToRelease is what an operator does about a held overlap.
const howToRelease = "release it (mautic-rotation release)"
