package secretsmanager

import (
	"cmp"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Functions are the rotation functions.
type Functions interface {
	// SecretsManagerMayInvoke tells whether there is such a function, by name or ARN, and its policy admits the rotation
	// service, for a secret.
	SecretsManagerMayInvoke(function, secretARN string) bool

	// InvokeStep invokes a function for a step of a rotation and waits for its end. The error is a [*wire.Error] if Lambda
	// refused.
	InvokeStep(function string, event []byte, step string) (wire.InvokeResult, error)
}

// Bus is where EventBridge's events go.
type Bus interface {
	// Publish sends an event to the default bus. It waits for nothing, and calls no service.
	Publish(source, detailType string, resources []string, detail any)
}

// Retries say how often a rotation is tried.
type Retries struct {
	// Times is how often the rotation service tries a failed rotation again before it gives up, and Delay how long it
	// waits before each. AWS's numbers are not documented, beyond "multiple times". 0 means 2, a negative number none.
	Times int
	Delay time.Duration
}

// StandIn is a [Core] whose rotations run by themselves.
type StandIn struct {
	*Core
	host       *host.Host
	functions  Functions
	retries    int
	retryDelay time.Duration

	mu     sync.Mutex // taken after the Core's, never before
	runs   map[runKey]*run
	alarms map[string]func() // by secret's ARN: takes back the next scheduled rotation
}

// New makes a stand-in without secrets.
func New(h *host.Host, functions Functions, bus Bus, o Options, retries Retries) *StandIn {
	s := &StandIn{
		host: h, functions: functions, retries: cmp.Or(retries.Times, 2), retryDelay: retries.Delay,
		runs: map[runKey]*run{}, alarms: map[string]func(){},
	}
	env := h.Env()
	env.Emit = func(e host.Event) {
		h.Events.Emit(e)
		s.tell(bus, e)
	}
	s.Core = NewCore(env, o, Hooks{MayInvoke: functions.SecretsManagerMayInvoke, Begun: s.begun, Scheduled: s.scheduled})
	return s
}

// tell sends to the bus what AWS tells of by EventBridge: that a label is on another version and, as a trail of management events
// would have it, how a rotation goes.
func (s *StandIn) tell(bus Bus, e host.Event) {
	const source = "aws.secretsmanager"
	switch e := e.(type) {
	case LabelUpdated:
		for _, label := range e.Labels {
			if version := e.Versions[label]; version != "" {
				bus.Publish(source, "Secret Label Updated", []string{e.Secret}, map[string]string{
					"name": e.Name, "labelUpdated": label, "versionId": version,
				})
			}
		}
	case RotationEvent:
		if e.Name == RotationCancelled {
			return
		}
		const service = "secretsmanager.amazonaws.com"
		bus.Publish(source, "AWS Service Event via CloudTrail", nil, map[string]any{
			"eventVersion": "1.11", "userIdentity": map[string]string{"accountId": s.host.Account.ID, "invokedBy": service},
			"eventTime": e.At.Format("2006-01-02T15:04:05Z"), "eventSource": service, "eventName": string(e.Name),
			"awsRegion": s.host.Account.Region, "sourceIPAddress": service, "userAgent": service, "requestParameters": nil,
			"responseElements": nil, "additionalEventData": map[string]string{"SecretId": e.Secret},
			"readOnly": false, "eventType": "AwsServiceEvent", "managementEvent": true, "recipientAccountId": s.host.Account.ID,
			"eventCategory": "Management",
		})
	}
}

// scheduled sets the alarm for the next scheduled rotation of a secret.
func (s *StandIn) scheduled(secretARN string, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.alarms[secretARN]; stop != nil {
		stop()
		delete(s.alarms, secretARN)
	}
	if start.IsZero() || s.host.Context().Err() != nil {
		return
	}
	s.alarms[secretARN] = s.host.Clock.At(start, func() {
		if s.host.Context().Err() == nil {
			s.RotateOnSchedule(secretARN)
		}
	})
}

// Stop takes back the scheduled rotations: the clock may outlive the host.
func (s *StandIn) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stop := range s.alarms {
		stop()
	}
}
