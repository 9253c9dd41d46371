package localaws

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mautic-rotation/internal/localaws/cloudformation"
	"mautic-rotation/internal/localaws/cloudtrail"
	"mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/eventbridge"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/iam"
	"mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/logs"
	"mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/ses"
	"mautic-rotation/internal/localaws/sns"
	"mautic-rotation/internal/localaws/sts"
	"mautic-rotation/internal/localaws/tagging"
	"mautic-rotation/internal/localaws/wire"
)

// Server is a running stand-in. Its services are its fields.
type Server struct {
	SecretsManager *secretsmanager.StandIn
	Lambda         *lambda.StandIn
	ECS            *ecs.StandIn
	RDS            *rds.StandIn
	IAM            *iam.StandIn
	EventBridge    *eventbridge.StandIn
	STS            *sts.StandIn
	CloudFormation *cloudformation.StandIn
	Logs           *logs.StandIn
	Tagging        *tagging.StandIn
	CloudTrail     *cloudtrail.StandIn
	SES            *ses.StandIn
	SNS            *sns.StandIn

	host  *host.Host
	async *host.Async // counts what runs asynchronously, over all services
	calls *wire.Recorder
	http  *http.Server
	url   string

	closing  sync.Once
	closeErr error
}

// Start starts a stand-in on a loopback port.
func Start(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("localaws: %w", err)
	}
	account := host.Account{Region: cmp.Or(o.Region, "us-east-1"), ID: cmp.Or(o.AccountID, "123456789012")}
	s := &Server{
		host: host.New(account, o.Clock, o.Random),
		url:  "http://" + listener.Addr().String(),
	}
	if o.Observe != nil {
		s.host.Events.Subscribe(o.Observe)
	}
	s.calls = wire.NewRecorder(s.host.Env())
	s.wireServices(o)
	// Faults abort connections, which net/http would complain about.
	s.http = &http.Server{Handler: s.router(o), ErrorLog: log.New(io.Discard, "", 0)}
	s.host.Spawn(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// wireServices makes the services and gives each what it needs of the others.
func (s *Server) wireServices(o Options) {
	s.async = host.NewAsync(s.host)
	s.STS = sts.New(s.host.Account)
	s.CloudFormation = cloudformation.New(s.host.Env())
	s.Logs = logs.New(s.host.Env(), logs.Options{PageSize: o.LogsPageSize})
	s.Lambda = lambda.New(s.host, s.async, lambda.Options{
		Endpoint: s.url, SecretKey: dummySecretKey, Logs: s.Logs, Destinations: destinations{s},
	})
	s.SES = ses.New(s.host.Env())
	s.SNS = sns.New(s.host, eventFunctions{s.Lambda}, s.async)
	s.EventBridge = eventbridge.New(s.host, eventFunctions{s.Lambda}, eventTopics{s.SNS}, s.async)
	s.SecretsManager = secretsmanager.New(s.host, s.Lambda, s.EventBridge,
		secretsmanager.Options{Variants: o.Variants, SecretSuffix: o.SecretSuffix},
		secretsmanager.Retries{Times: o.RotationRetries, Delay: o.RotationRetryDelay})
	s.CloudFormation.Provide("AWS::SecretsManager::Secret", stackSecrets{s.SecretsManager, s.host.Random.UUID})
	s.CloudFormation.Provide("AWS::SecretsManager::RotationSchedule", stackSchedules{s.SecretsManager, s.host.Random.UUID})
	s.ECS = ecs.New(s.host, s.calls, taskSecrets{s.SecretsManager}, s.EventBridge, ecs.Options{ListTasksPageSize: o.ListTasksPageSize})
	s.CloudTrail = cloudtrail.New(s.host.Env(), s.calls.Audited, s.secretARN, cloudtrail.Options{Delay: o.CloudTrailDelay})
	s.Tagging = tagging.New(s.Lambda.Tags, s.SecretsManager.Tags, s.CloudFormation.Tags, s.Logs.Tags)
	s.RDS = rds.New(s.host, rds.Options{PageSize: o.RDSPageSize})
	s.IAM = iam.New(s.host.Env(), iam.Options{PageSize: o.IAMPageSize, Propagation: o.IAMPropagation})
}

// secretARN is the ARN of a secret that a call names.
func (s *Server) secretARN(id string) (string, bool) {
	state, err := s.SecretsManager.State(id)
	return state.ARN, err == nil
}

// taskSecrets is where ECS reads the secrets of its tasks.
type taskSecrets struct{ secrets *secretsmanager.StandIn }

func (t taskSecrets) SecretText(secretARN, label, version string) (*string, error) {
	out, err := t.secrets.GetSecretValue(context.Background(), secretsmanager.GetSecretValueInput{
		SecretID: secretARN, VersionStage: label, VersionID: version,
	})
	return out.SecretString, err
}

func (s *Server) router(o Options) *wire.Router {
	return &wire.Router{
		Host:       s.host,
		Recorder:   s.calls,
		Callers:    s.Lambda,
		Authorizer: &wire.Authorizer{Account: s.host.Account, Rules: s.accessRules(), Ask: o.Authorize},
		JSON:       []*wire.JSONService{s.SecretsManager.API(), s.ECS.API(), s.Logs.API(), s.Tagging.API(), s.CloudTrail.API(), s.EventBridge.API()},
		Query:      []*wire.QueryService{s.RDS.API(), s.IAM.API(), s.STS.API(), s.CloudFormation.API(), s.SES.API(), s.SNS.API()},
		REST:       []*wire.RESTService{s.Lambda.API()},
	}
}

func (s *Server) accessRules() wire.Rules {
	all := wire.Rules{}
	for _, rules := range []wire.Rules{
		s.SecretsManager.AccessRules(), s.ECS.AccessRules(), s.RDS.AccessRules(), s.IAM.AccessRules(),
	} {
		maps.Copy(all, rules)
	}
	return all
}

// AuthorizedActions are the actions that a function can be allowed or refused.
func AuthorizedActions() []string {
	// The names of the rules do not depend on what the services hold.
	s := &Server{
		SecretsManager: &secretsmanager.StandIn{Core: &secretsmanager.Core{}}, ECS: &ecs.StandIn{Core: &ecs.Core{}},
		RDS: &rds.StandIn{}, IAM: &iam.StandIn{},
	}
	return slices.Sorted(maps.Keys(s.accessRules()))
}

// URL is the endpoint of all services.
func (s *Server) URL() string { return s.url }

// Clock is the server's clock.
func (s *Server) Clock() *host.Clock { return s.host.Clock }

// Config is ready for the constructors of the SDK's clients.
func (s *Server) Config() aws.Config {
	return s.config(clientKeyID)
}

// HandlerConfig is [Server.Config] for the handler of a function: calls made with it carry their [wire.Caller]. The
// context must be the handler's.
func (s *Server) HandlerConfig(ctx context.Context) aws.Config {
	return s.config(cmp.Or(lambda.KeyOf(ctx), clientKeyID))
}

func (s *Server) config(keyID string) aws.Config {
	return aws.Config{
		Region:       s.host.Account.Region,
		BaseEndpoint: aws.String(s.url),
		Credentials:  credentials.NewStaticCredentialsProvider(keyID, dummySecretKey, ""),
	}
}

// Env is what a child process needs in its environment, in the form of os.Environ, to reach the stand-in with an SDK
// or the AWS CLI.
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.url,
		"AWS_REGION=" + s.host.Account.Region,
		"AWS_DEFAULT_REGION=" + s.host.Account.Region,
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

// Intercept lets f decide about every call from now on; it replaces an earlier f, and nil ends interception. Calls are
// served concurrently, and so f is called concurrently; it may block.
func (s *Server) Intercept(f func(wire.Call) wire.Fault) { s.calls.Intercept(f) }

// Calls returns all calls so far in order of arrival.
func (s *Server) Calls() []wire.Call { return s.calls.Calls() }

// Subscribe calls f with every event from now on, in order and one at a time, until cancelled or until the server is
// closed. f may call the server, except Close.
func (s *Server) Subscribe(f func(host.Event)) (cancel func()) { return s.host.Events.Subscribe(f) }

// Events returns what happened so far.
func (s *Server) Events() []host.Event { return s.host.Events.All() }

// WaitEvent returns once an event, past or to come, satisfies the condition. It returns that event, the error of the
// context, or [host.ErrClosed].
func (s *Server) WaitEvent(ctx context.Context, condition func(host.Event) bool) (host.Event, error) {
	return s.host.Events.Wait(ctx, condition)
}

// Close ends everything that the server started and waits for it: Lambda processes, tasks, rotations, schedules,
// observers. Closing again does nothing more.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.host.Stop()
		s.SecretsManager.Stop()
		s.EventBridge.Stop()
		s.closeErr = s.http.Close()
		s.host.Close()
	})
	return s.closeErr
}
