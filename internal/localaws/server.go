package localaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// ErrClosed is returned by what waits on a server that is closed meanwhile.
var ErrClosed = errors.New("localaws: server closed")

// Options of a Server. The zero value is ready to use.
type Options struct {
	Region    string // default us-east-1
	AccountID string // default 123456789012
	Clock     *Clock // default: real time

	// Addr is the address to listen on, default 127.0.0.1:0. Keep it on loopback: the stand-in lets everyone in.
	Addr string

	// Variants switches between what AWS may do; see [Server.SetVariants] to change it later.
	Variants Variants

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

	// IAMPropagation is how long a new access key, a change of its status and its deletion take until whoever is called
	// with the key sees them, as [Server.KeyAccepts] tells. It is a real duration; lists show the change at once.
	IAMPropagation time.Duration

	// SecretSuffix is the six characters at the end of secrets' ARNs. By default they are random, as AWS's are; set, an
	// ARN is known before there is the secret.
	SecretSuffix string

	// Authorize, if set, stands for the role of the functions: it is asked about each of their calls, before the call
	// has any effect, and refuses one by an error. What the function is answered ends with the error's text, which IAM
	// words as "no identity-based policy allows the ecs:ListTasks action". Nobody else's calls are asked about: not those
	// of other clients, nor those by which ECS reads a task's secrets. It is called concurrently.
	Authorize func(AccessRequest) error

	// Observe, if set, is subscribed to all events from the start.
	Observe func(Event)
}

// Server is a running stand-in.
type Server struct {
	opts  Options
	clock *Clock
	http  *http.Server
	url   string

	ctx      context.Context // ends, with ErrClosed, when the server is closed
	cancel   context.CancelCauseFunc
	closing  sync.Once
	closeErr error

	workMu sync.Mutex // orders the start of work before the wait for its end
	work   sync.WaitGroup

	events    *events
	variants  atomic.Pointer[Variants]
	intercept atomic.Pointer[func(Call) Fault]

	callsMu sync.Mutex
	calls   []*Call

	secrets *secretsManager
	lambda  *lambda
	ecs     *ecs
	rds     *rds
	iam     *iam
	bus     *eventBus
	json    map[string]*jsonService  // by the prefix of X-Amz-Target
	query   map[string]*queryService // by the service's name in a signature
}

// Start starts a stand-in on a loopback port.
func Start(o Options) (*Server, error) {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.AccountID == "" {
		o.AccountID = "123456789012"
	}
	if o.Clock == nil {
		o.Clock = &Clock{}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.RotationRetries == 0 {
		o.RotationRetries = 2
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("localaws: %w", err)
	}
	s := &Server{
		opts:   o,
		clock:  o.Clock,
		url:    "http://" + listener.Addr().String(),
		events: newEvents(),
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.variants.Store(&o.Variants)
	if o.Observe != nil {
		s.events.subscribe(o.Observe)
	}
	s.secrets = newSecretsManager(s)
	s.lambda = newLambda(s)
	s.ecs = newECS(s)
	s.rds = newRDS(s)
	s.iam = newIAM(s)
	s.bus = newEventBus(s)
	s.json = map[string]*jsonService{
		"secretsmanager":                     s.secrets.service(),
		"AmazonEC2ContainerServiceV20141113": s.ecs.service(),
	}
	s.query = map[string]*queryService{"rds": s.rds.service(), "iam": s.iam.service()}
	// Faults abort connections, which net/http would complain about.
	s.http = &http.Server{Handler: http.HandlerFunc(s.serveHTTP), ErrorLog: log.New(io.Discard, "", 0)}
	s.spawn(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// spawn runs f in a goroutine that Close waits for. Once the server is closing it does nothing
// and returns false.
func (s *Server) spawn(f func()) bool {
	s.workMu.Lock()
	defer s.workMu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.work.Go(f)
	return true
}

// URL is the endpoint of all services.
func (s *Server) URL() string { return s.url }

// Clock is the server's clock.
func (s *Server) Clock() *Clock { return s.clock }

// Config is ready for the constructors of the SDK's clients.
func (s *Server) Config() aws.Config {
	return s.config(clientKeyID)
}

func (s *Server) config(keyID string) aws.Config {
	return aws.Config{
		Region:       s.opts.Region,
		BaseEndpoint: aws.String(s.url),
		Credentials:  credentials.NewStaticCredentialsProvider(keyID, dummySecretKey, ""),
	}
}

// Env is what a child process needs in its environment, in the form of os.Environ, to reach the stand-in with an SDK
// or the AWS CLI.
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.url,
		"AWS_REGION=" + s.opts.Region,
		"AWS_DEFAULT_REGION=" + s.opts.Region,
		"AWS_ACCESS_KEY_ID=" + clientKeyID,
		"AWS_SECRET_ACCESS_KEY=" + dummySecretKey,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Credentials that look like AWS's documentation examples and open nothing.
const (
	clientKeyID    = "AKIAIOSFODNN7EXAMPLE"
	dummySecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Close ends everything that the server started and waits for it: Lambda processes, tasks, rotations, schedules,
// observers. Closing again does nothing more.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.workMu.Lock()
		s.cancel(ErrClosed)
		s.workMu.Unlock()
		s.secrets.stopSchedules()
		s.bus.stop()
		s.closeErr = s.http.Close()
		s.work.Wait()
		s.events.end()
	})
	return s.closeErr
}

// arn builds the ARN of a resource of this account.
func (s *Server) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, s.opts.Region, s.opts.AccountID, resource)
}
