package localaws

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ContainerSecret is an environment variable that is read from Secrets Manager by
//
//	arn:aws:secretsmanager:region:account:secret:name-AbCdEf:json-key:version-stage:version-id
//
// The last three parts may be empty, or be left out from the end.
type ContainerSecret struct {
	Name      string
	ValueFrom string
}

// Service is an ECS service that keeps a number of equal tasks running, with one container each.
type Service struct {
	Cluster      string // default "default"; made if it is not there
	Name         string
	Family       string // of the task definition, default Name
	DesiredCount int    // default 1; -1 means none

	// MinimumHealthyPercent bounds how many tasks may be missing in a deployment, MaximumPercent how many there may be.
	// 0 means the defaults, 100 and 200; -1 means 0 percent.
	MinimumHealthyPercent int
	MaximumPercent        int

	// DeploymentController is "ECS" (the default), "CODE_DEPLOY" or "EXTERNAL"; with the last two no deployment can be
	// forced.
	DeploymentController string

	// CircuitBreaker fails a deployment whose tasks fail; without, its tasks are tried again for ever. With
	// CircuitBreakerRollback, the deployment that completed last then becomes the primary one again, under its old id and
	// date of creation; else the service stalls as it is. FailureThreshold is how many failed tasks it takes; 0 stands
	// for ECS's number, half the desired count, but at least 3 and at most 200.
	CircuitBreaker         bool
	CircuitBreakerRollback bool
	FailureThreshold       int

	ContainerName string // default "app"
	Image         string
	Environment   map[string]string

	// Secrets are read when a task starts, and not again, whatever becomes of them while it runs.
	Secrets []ContainerSecret

	// Run is the container's process. It is to call [Task.Ready] when its health check would pass, and to return when its
	// context ends, which stands for SIGTERM. Returning before is the end of the task, which the service replaces. Not
	// returning within StopTimeout stands for SIGKILL, and leaves the func to itself.
	Run func(ctx context.Context, task Task) error

	// PlacementTime passes between a task's creation and the reading of its secrets, StartTime between that and the start
	// of its container, DrainTime between the decision to stop it and SIGTERM, and StopTimeout (default 30 s) at most
	// between that and its end. These are real durations.
	PlacementTime, StartTime, DrainTime, StopTimeout time.Duration

	// RestartDelay is how long the service waits after a task that ended by itself, doubled, up to 32 times, with each
	// that never was ready. Default 100 ms; AWS's delays are longer.
	RestartDelay time.Duration
}

// Task is a task as its container sees it.
type Task struct {
	ARN        string
	Cluster    string
	Service    string // name, "" for a standalone task
	Deployment string // id of the deployment that started it, "" for a standalone task
	CreatedAt  time.Time

	// Env is the container's environment, with its secrets as they were when the task started.
	Env map[string]string

	ready func()
}

// Ready tells that the container's health check passes. Without it a deployment goes on waiting for the task.
func (t Task) Ready() { t.ready() }

// ecs is the ECS service. Its lock guards everything below it.
type ecs struct {
	srv *Server

	mu          sync.Mutex
	clusters    []string
	services    []*ecsService
	tasks       []*ecsTask // in order of creation
	definitions []*taskDefinition
}

type taskDefinition struct {
	arn       string
	family    string
	revision  int
	container Service // what it says of the container
}

func newECS(s *Server) *ecs { return &ecs{srv: s, clusters: []string{"default"}} }

func (e *ecs) service() *jsonService {
	return &jsonService{
		name:          "ecs",
		messageMember: "message",
		operations: map[string]operation{
			"DescribeClusters":       handle(e.describeClusters),
			"DescribeServices":       handle(e.describeServices),
			"DescribeTaskDefinition": handle(e.describeTaskDefinition),
			"DescribeTasks":          handle(e.describeTasks),
			"ListServices":           handle(e.listServices),
			"ListTasks":              handle(e.listTasks),
			"UpdateService":          handle(e.updateService),
		},
	}
}

// CreateCluster makes a cluster, if it is not there. The cluster "default" always is.
func (s *Server) CreateCluster(name string) (arn string) {
	s.ecs.mu.Lock()
	defer s.ecs.mu.Unlock()
	s.ecs.addCluster(name)
	return s.ecs.clusterARN(name)
}

func (e *ecs) addCluster(name string) {
	if !slices.Contains(e.clusters, name) {
		e.clusters = append(e.clusters, name)
	}
}

// RunService registers a task definition, creates a service of it, and returns the service's ARN. Its first deployment
// goes on in the background.
func (s *Server) RunService(o Service) (arn string, err error) {
	if o.Name == "" || o.Run == nil {
		return "", fmt.Errorf("localaws: service %q needs a Name and a Run", o.Name)
	}
	o.fillIn()
	e := s.ecs
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addCluster(o.Cluster)
	if svc, _ := e.findService(o.Cluster, o.Name); svc != nil {
		return "", fmt.Errorf("localaws: service %q exists in cluster %q", o.Name, o.Cluster)
	}
	svc := &ecsService{
		ecs:       e,
		Service:   o,
		arn:       s.arn("ecs", "service/"+o.Cluster+"/"+o.Name),
		created:   s.clock.Now(),
		wake:      make(chan struct{}, 1),
		restartAt: time.Now(),
	}
	svc.definition = e.register(o)
	svc.deploy()
	e.services = append(e.services, svc)
	if !s.spawn(svc.control) {
		return "", ErrClosed
	}
	return svc.arn, nil
}

func (o *Service) fillIn() {
	setDefault(&o.Cluster, "default")
	setDefault(&o.Family, o.Name)
	setDefault(&o.DeploymentController, "ECS")
	setDefault(&o.ContainerName, "app")
	setDefault(&o.Image, "mautic/mautic:latest")
	setDefault(&o.StopTimeout, 30*time.Second)
	setDefault(&o.RestartDelay, 100*time.Millisecond)
	setDefault(&o.DesiredCount, 1)
	setDefault(&o.MinimumHealthyPercent, 100)
	setDefault(&o.MaximumPercent, 200)
	o.DesiredCount = max(o.DesiredCount, 0)
	o.MinimumHealthyPercent = max(o.MinimumHealthyPercent, 0)
}

func setDefault[T comparable](p *T, v T) {
	if *p == *new(T) {
		*p = v
	}
}

// RunTask starts a standalone task, which no service looks after, and returns its ARN. Of the service it takes the
// cluster, the family and what concerns the container.
func (s *Server) RunTask(o Service, startedBy string) (arn string, err error) {
	o.fillIn()
	if o.Family == "" || o.Run == nil {
		return "", fmt.Errorf("localaws: a task of family %q needs a Family and a Run", o.Family)
	}
	s.ecs.mu.Lock()
	defer s.ecs.mu.Unlock()
	s.ecs.addCluster(o.Cluster)
	return s.ecs.startTask(o.Cluster, s.ecs.register(o), nil, startedBy).arn, nil
}

// WaitService waits until a service is stable: its latest deployment has completed and no task of an older one is left.
// An empty cluster stands for the default one.
func (s *Server) WaitService(ctx context.Context, cluster, name string) error {
	for {
		_, changed, ended := s.events.from(1 << 62)
		s.ecs.mu.Lock()
		svc, err := s.ecs.findService(cluster, name)
		stable := err == nil && svc.stable()
		s.ecs.mu.Unlock()
		switch {
		case err != nil:
			return err
		case stable:
			return nil
		case ended:
			return ErrClosed
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for service %s: %w", name, context.Cause(ctx))
		case <-changed:
		}
	}
}

// register makes a new revision of a task definition.
func (e *ecs) register(o Service) *taskDefinition {
	d := &taskDefinition{family: o.Family, revision: 1, container: o}
	for _, old := range e.definitions {
		if old.family == d.family {
			d.revision = old.revision + 1
		}
	}
	d.arn = e.srv.arn("ecs", fmt.Sprintf("task-definition/%s:%d", d.family, d.revision))
	d.container.Environment = maps.Clone(o.Environment)
	e.definitions = append(e.definitions, d)
	return d
}

func (e *ecs) clusterARN(name string) string { return e.srv.arn("ecs", "cluster/"+name) }

// clusterName resolves a cluster by name or ARN; "" is the default one.
func (e *ecs) clusterName(id string) (string, error) {
	name := lastPart(id)
	setDefault(&name, "default")
	if !slices.Contains(e.clusters, name) {
		return "", &Error{Code: "ClusterNotFoundException", Message: "Cluster not found."}
	}
	return name, nil
}

// findService resolves a service by name or ARN in a cluster.
func (e *ecs) findService(cluster, id string) (*ecsService, error) {
	cluster, err := e.clusterName(cluster)
	if err != nil {
		return nil, err
	}
	for _, svc := range e.services {
		if svc.Cluster == cluster && (id == svc.Name || id == svc.arn) {
			return svc, nil
		}
	}
	return nil, &Error{Code: "ServiceNotFoundException", Message: "Service not found."}
}

// lastPart is the name at the end of an ARN, or the whole of what is none.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }
