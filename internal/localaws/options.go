package localaws

import (
	"io"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// Options of a Server. The zero value is ready to use.
type Options struct {
	Region    string      // default us-east-1
	AccountID string      // default 123456789012
	Clock     *host.Clock // default: real time

	// Random is the source of ids, keys and generated passwords. By default it is crypto/rand.
	Random io.Reader

	// Addr is the address to listen on, default 127.0.0.1:0. Keep it on loopback: the stand-in lets everyone in.
	Addr string

	// Variants switches between what AWS's Secrets Manager may do; its SetVariants changes it later.
	Variants secretsmanager.Variants

	// RotationRetries is how often the rotation service tries a failed rotation again before it gives up, and
	// RotationRetryDelay how long it waits before each. AWS's numbers are not documented, beyond "multiple times".
	// 0 retries means 2, a negative number none.
	RotationRetries    int
	RotationRetryDelay time.Duration

	// ListTasksPageSize is the most tasks that ECS lists in one reply. 0 means 100, which is ECS's own.
	ListTasksPageSize int

	// RDSPageSize is the most that RDS lists in one reply. 0 means what the request asks for, 100 if it does not.
	RDSPageSize int

	// IAMPageSize is the most that IAM lists in one reply. 0 means what the request asks for, 100 if it does not.
	IAMPageSize int

	// LogsPageSize is how many messages FilterLogEvents looks at for one reply, which may so be empty and not the last. 0
	// means as many as the request asks for, 10,000 if it does not.
	LogsPageSize int

	// CloudTrailDelay is how long after a call LookupEvents finds it, by the stand-in's clock. At AWS it is about five minutes.
	CloudTrailDelay time.Duration

	// IAMPropagation is how long a new access key, a change of its status and its deletion take until whoever is called
	// with the key sees them, as IAM's KeyAccepts tells. It is a real duration; lists show the change at once.
	IAMPropagation time.Duration

	// SecretSuffix is the six characters at the end of secrets' ARNs. By default they are random, as AWS's are; set, an
	// ARN is known before the secret exists.
	SecretSuffix string

	// Authorize, if set, stands for the role of the functions: it is asked about each of their calls, before the call
	// has any effect, and refuses one by an error. What the function is answered ends with the error's text, which IAM
	// words as "no identity-based policy allows the ecs:ListTasks action". Nobody else's calls are asked about: not those
	// of other clients, nor those by which ECS reads a task's secrets. It is called concurrently.
	Authorize func(wire.AccessRequest) error

	// Observe, if set, is subscribed to all events from the start.
	Observe func(host.Event)
}
