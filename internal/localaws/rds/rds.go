// Package rds stands in for AWS's RDS, of which it has the change of a master user's password and what leads up to it.
//
// It has no database servers: [DBInstance] and [DBCluster] say where one is, and how to change a password at it. A change of
// the master user's password leaves the status as it is for a while, passes through resetting-master-credentials, and takes
// effect when that ends; PendingModifiedValues shows it all along:
//
//	err = srv.RDS.CreateDBInstance(rds.DBInstance{
//		Identifier: "mautic", Endpoint: server.Host(), Port: server.Port(),
//		Master: rds.MasterUser{Name: "admin", SetPassword: func(ctx context.Context, user, password string) error {
//			_, err := server.Admin().ExecContext(ctx, "ALTER USER ? IDENTIFIED BY ?", user, password)
//			return err
//		}},
//	})
//
// The operations themselves wait for nothing. What takes a change through its states is [Changes], which a [host.Host]
// runs in the background.
//
// What it does not do: everything else that an instance or a cluster has and can be changed to, and RDS's own management of
// a master secret, which it only announces.
package rds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Options of a StandIn.
type Options struct {
	// PageSize is the most that a list has in one reply. 0 means what the request asks for, 100 if it does not.
	PageSize int
}

// MasterUser is the user that a database was created with, whose password RDS changes.
type MasterUser struct {
	Name string // default admin

	// SetPassword is to change the user's password at the real server, if there is one. It is called when a change that
	// ModifyDBInstance or ModifyDBCluster ordered takes effect; what reads the status meanwhile sees
	// resetting-master-credentials. If it fails, the change is given up, and the database is available again.
	SetPassword func(ctx context.Context, user, password string) error

	// LingerTime passes between the order and the status resetting-master-credentials, and ResettingTime between that and
	// SetPassword. These are real durations, by default 50 ms; a negative one is none.
	LingerTime, ResettingTime time.Duration

	// ManagedSecretARN is the secret in which RDS itself keeps the password, and so refuses to be told another; "" when it
	// does not.
	ManagedSecretARN string
}

// DBInstance is a database instance of RDS.
type DBInstance struct {
	Identifier string
	Engine     string // default mysql, or the cluster's
	Endpoint   string // default <identifier>.c0example.<region>.rds.amazonaws.com
	Port       int    // default 3306
	DBName     string // the database that it was created with, if any
	Status     string // until a change of the password and after it; default available

	// Cluster is the identifier of the cluster that the instance is a member of, which has the master user. The first
	// member is the writer.
	Cluster string
	Master  MasterUser
}

// DBCluster is an Aurora or a Multi-AZ DB cluster of RDS. Its members are made with [StandIn.CreateDBInstance].
type DBCluster struct {
	Identifier      string
	Engine          string   // default aurora-mysql; a Multi-AZ DB cluster has mysql
	Endpoint        string   // of the writer, default <identifier>.cluster-c0example.<region>.rds.amazonaws.com
	ReaderEndpoint  string   // default <identifier>.cluster-ro-c0example.<region>.rds.amazonaws.com
	CustomEndpoints []string // only Aurora has them
	Port            int      // default 3306
	DBName          string   // the database that it was created with, if any
	Status          string   // until a change of the password and after it; default available
	Master          MasterUser
}

// DBState is what has become of an instance or a cluster.
type DBState struct {
	Status          string
	PasswordPending bool // a change of the master user's password is not applied yet

	PasswordsSet int   // how many changes have been applied
	Failure      error // of the latest SetPassword that failed, without the password
}

// StandIn is the RDS service. The lock guards everything below it.
type StandIn struct {
	env     host.Env
	opts    Options
	changes Changes

	mu        sync.Mutex
	instances []*dbInstance
	clusters  []*dbCluster
}

type dbInstance struct {
	DBInstance
	master  *master
	cluster *dbCluster // nil unless it is a member of one
}

type dbCluster struct {
	DBCluster
	master  *master
	members []*dbInstance
}

// New makes a stand-in without databases, whose changes of passwords run in the background.
func New(h *host.Host, o Options) *StandIn { return NewCore(h.Env(), o, &background{h}) }

// NewCore makes one that starts no goroutine: its changes of passwords are in other hands, or stay pending if nobody's.
func NewCore(env host.Env, o Options, changes Changes) *StandIn {
	return &StandIn{env: env, opts: o, changes: changes}
}

// CreateDBInstance makes a database instance. A member of a cluster is made after its cluster.
func (s *StandIn) CreateDBInstance(o DBInstance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Identifier == "" {
		return fmt.Errorf("localaws: a DB instance needs an Identifier")
	}
	if _, err := s.findInstance(o.Identifier); err == nil {
		return fmt.Errorf("localaws: DB instance %q exists", o.Identifier)
	}
	i := &dbInstance{}
	if o.Cluster != "" {
		cluster, err := s.findCluster(o.Cluster)
		if err != nil {
			return fmt.Errorf("localaws: DB instance %q: %w", o.Identifier, err)
		}
		i.cluster = cluster
		o.Engine = cmp.Or(o.Engine, cluster.Engine)
		o.DBName = cmp.Or(o.DBName, cluster.DBName)
		o.Master = MasterUser{Name: cluster.Master.Name}
	}
	o.Engine = cmp.Or(o.Engine, "mysql")
	o.Endpoint = cmp.Or(o.Endpoint, s.endpoint(o.Identifier, ""))
	o.Port = cmp.Or(o.Port, 3306)
	i.DBInstance = o
	i.master = s.newMaster(o.Identifier, false, &i.Master, o.Status)
	s.instances = append(s.instances, i)
	if i.cluster != nil {
		i.cluster.members = append(i.cluster.members, i)
	}
	return nil
}

// CreateDBCluster makes a cluster, without members.
func (s *StandIn) CreateDBCluster(o DBCluster) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Identifier == "" {
		return fmt.Errorf("localaws: a DB cluster needs an Identifier")
	}
	if _, err := s.findCluster(o.Identifier); err == nil {
		return fmt.Errorf("localaws: DB cluster %q exists", o.Identifier)
	}
	o.Engine = cmp.Or(o.Engine, "aurora-mysql")
	o.Endpoint = cmp.Or(o.Endpoint, s.endpoint(o.Identifier, "cluster-"))
	o.ReaderEndpoint = cmp.Or(o.ReaderEndpoint, s.endpoint(o.Identifier, "cluster-ro-"))
	o.Port = cmp.Or(o.Port, 3306)
	c := &dbCluster{DBCluster: o}
	c.master = s.newMaster(o.Identifier, true, &c.Master, o.Status)
	s.clusters = append(s.clusters, c)
	return nil
}

func (s *StandIn) endpoint(identifier, kind string) string {
	return strings.ToLower(identifier) + "." + kind + "c0example." + s.env.Account.Region + ".rds.amazonaws.com"
}

// InstanceState returns the state of an instance.
func (s *StandIn) InstanceState(identifier string) (DBState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(identifier)
	if err != nil {
		return DBState{}, err
	}
	return i.master.state(), nil
}

// ClusterState returns the state of a cluster.
func (s *StandIn) ClusterState(identifier string) (DBState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findCluster(identifier)
	if err != nil {
		return DBState{}, err
	}
	return c.master.state(), nil
}

// findInstance finds an instance by its identifier, whose case does not matter. The caller holds the lock.
func (s *StandIn) findInstance(identifier string) (*dbInstance, error) {
	i := slices.IndexFunc(s.instances, func(i *dbInstance) bool { return strings.EqualFold(i.Identifier, identifier) })
	if i < 0 {
		return nil, &wire.Error{Code: "DBInstanceNotFound", Message: "DBInstance " + identifier + " not found.", Status: 404}
	}
	return s.instances[i], nil
}

// findCluster is findInstance for clusters.
func (s *StandIn) findCluster(identifier string) (*dbCluster, error) {
	i := slices.IndexFunc(s.clusters, func(c *dbCluster) bool { return strings.EqualFold(c.Identifier, identifier) })
	if i < 0 {
		return nil, &wire.Error{Code: "DBClusterNotFoundFault", Message: "DBCluster " + identifier + " not found.", Status: 404}
	}
	return s.clusters[i], nil
}
