package ecs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Core is the state of ECS and its rules: clusters, services, deployments, and what is known of each task. It starts no
// goroutine and waits for nothing. What the service's scheduler does by itself is [Core.Step]; what happens to a task is told
// by [Core.SetTaskStatus], [Core.MarkTaskReady] and [Core.EndTask].
//
// The lock guards everything below it.
type Core struct {
	env   host.Env
	opts  Options
	hooks hooks

	mu          sync.Mutex
	clusters    []string
	services    []*service
	tasks       []*task // in order of creation
	placed      int     // how many tasks there have been
	definitions []*taskDefinition
}

// Options of a Core.
type Options struct {
	// ListTasksPageSize is the most tasks that are listed in one reply. 0 means 100, which is ECS's own.
	ListTasksPageSize int
}

// hooks are what a Core tells, with the lock held. Each may be nil.
type hooks struct {
	// Placed tells of a task that was created.
	Placed func(*task)

	// At calls a func once the clock shows a time. Without it, whoever moves the clock is to call [Core.Step].
	At func(time.Time, func())

	// DeploymentStateChange tells of an event for EventBridge.
	DeploymentStateChange func(service, name, deployment string, detail any)
}

// NewCore makes a Core with the cluster "default" and nothing in it.
func NewCore(env host.Env, o Options) *Core {
	return &Core{env: env, opts: o, clusters: []string{"default"}}
}

type taskDefinition struct {
	arn       string
	family    string
	revision  int
	container Service // what it says of the container
	inactive  bool    // see DeregisterTaskDefinition
}

// CreateCluster makes a cluster, unless it exists. The cluster "default" always does.
func (c *Core) CreateCluster(name string) (arn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addCluster(name)
	return c.clusterARN(name)
}

func (c *Core) addCluster(name string) {
	if !slices.Contains(c.clusters, name) {
		c.clusters = append(c.clusters, name)
	}
}

// CreateService registers a task definition, creates a service of it, and returns the service's ARN. Its first deployment is
// in progress: [Core.Step] is to be called.
func (c *Core) CreateService(o Service) (arn string, err error) {
	svc, err := c.createService(o)
	if err != nil {
		return "", err
	}
	return svc.arn, nil
}

func (c *Core) createService(o Service) (*service, error) {
	if o.Name == "" {
		return nil, fmt.Errorf("localaws: a service needs a Name")
	}
	o.fillIn()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addCluster(o.Cluster)
	if svc, _ := c.findService(o.Cluster, o.Name); svc != nil {
		return nil, fmt.Errorf("localaws: service %q exists in cluster %q", o.Name, o.Cluster)
	}
	svc := &service{
		core:      c,
		Service:   o,
		arn:       c.env.Account.ARN("ecs", "service/"+o.Cluster+"/"+o.Name),
		created:   c.env.Now(),
		wake:      make(chan struct{}, 1),
		restartAt: c.env.RealNow(),
	}
	svc.definition = c.register(o)
	svc.deploy()
	c.services = append(c.services, svc)
	return svc, nil
}

// RunTask places a standalone task, which no service looks after, and returns its ARN. Of the service it takes the
// cluster, the family and what concerns the container.
func (c *Core) RunTask(o Service, startedBy string) (arn string, err error) {
	o.fillIn()
	if o.Family == "" {
		return "", fmt.Errorf("localaws: a task needs a Family")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addCluster(o.Cluster)
	return c.startTask(o.Cluster, c.register(o), nil, startedBy).arn, nil
}

// register makes a new revision of a task definition.
func (c *Core) register(o Service) *taskDefinition {
	d := &taskDefinition{family: o.Family, revision: 1, container: o}
	for _, old := range c.definitions {
		if old.family == d.family {
			d.revision = old.revision + 1
		}
	}
	d.arn = c.env.Account.ARN("ecs", fmt.Sprintf("task-definition/%s:%d", d.family, d.revision))
	d.container.Environment = maps.Clone(o.Environment)
	c.definitions = append(c.definitions, d)
	return d
}

func (c *Core) clusterARN(name string) string { return c.env.Account.ARN("ecs", "cluster/"+name) }

// clusterName resolves a cluster by name or ARN; "" is the default one.
func (c *Core) clusterName(id string) (string, error) {
	name := cmp.Or(lastPart(id), "default")
	if !slices.Contains(c.clusters, name) {
		return "", &wire.Error{Code: "ClusterNotFoundException", Message: "Cluster not found."}
	}
	return name, nil
}

// findService resolves a service by name or ARN in a cluster.
func (c *Core) findService(cluster, id string) (*service, error) {
	cluster, err := c.clusterName(cluster)
	if err != nil {
		return nil, err
	}
	for _, svc := range c.services {
		if svc.Cluster == cluster && (id == svc.Name || id == svc.arn) {
			return svc, nil
		}
	}
	return nil, &wire.Error{Code: "ServiceNotFoundException", Message: "Service not found."}
}

// lastPart is the name at the end of an ARN, or the whole of what is none.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }
