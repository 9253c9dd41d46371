package localaws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

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

// DBCluster is an Aurora or a Multi-AZ DB cluster of RDS. Its members are made with [Server.CreateDBInstance].
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

// rds is the RDS service. Its lock guards everything below it.
type rds struct {
	srv *Server

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

func newRDS(s *Server) *rds { return &rds{srv: s} }

func (r *rds) service() *queryService {
	return &queryService{
		name:    "rds",
		version: "2014-10-31",
		operations: map[string]queryOperation{
			"DescribeDBInstances": {parameters: []string{dbInstanceIdentifier, "Marker", "MaxRecords"}, apply: r.describeDBInstances},
			"DescribeDBClusters":  {parameters: []string{dbClusterIdentifier, "Marker", "MaxRecords"}, apply: r.describeDBClusters},
			"ModifyDBInstance": {
				parameters: []string{dbInstanceIdentifier, "ApplyImmediately"}, secret: []string{masterUserPassword}, apply: r.modifyDBInstance,
			},
			"ModifyDBCluster": {
				parameters: []string{dbClusterIdentifier, "ApplyImmediately"}, secret: []string{masterUserPassword}, apply: r.modifyDBCluster,
			},
		},
	}
}

// CreateDBInstance makes a database instance. A member of a cluster is made after its cluster.
func (s *Server) CreateDBInstance(o DBInstance) error {
	r := s.rds
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.Identifier == "" {
		return fmt.Errorf("localaws: a DB instance needs an Identifier")
	}
	if _, err := r.findInstance(o.Identifier); err == nil {
		return fmt.Errorf("localaws: DB instance %q exists", o.Identifier)
	}
	i := &dbInstance{}
	if o.Cluster != "" {
		cluster, err := r.findCluster(o.Cluster)
		if err != nil {
			return fmt.Errorf("localaws: DB instance %q: %w", o.Identifier, err)
		}
		i.cluster = cluster
		setDefault(&o.Engine, cluster.Engine)
		setDefault(&o.DBName, cluster.DBName)
		o.Master = MasterUser{Name: cluster.Master.Name}
	}
	setDefault(&o.Engine, "mysql")
	setDefault(&o.Endpoint, r.endpoint(o.Identifier, ""))
	setDefault(&o.Port, 3306)
	i.DBInstance = o
	i.master = r.newMaster(o.Identifier, false, &i.Master, o.Status)
	r.instances = append(r.instances, i)
	if i.cluster != nil {
		i.cluster.members = append(i.cluster.members, i)
	}
	return nil
}

// CreateDBCluster makes a cluster, without members.
func (s *Server) CreateDBCluster(o DBCluster) error {
	r := s.rds
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.Identifier == "" {
		return fmt.Errorf("localaws: a DB cluster needs an Identifier")
	}
	if _, err := r.findCluster(o.Identifier); err == nil {
		return fmt.Errorf("localaws: DB cluster %q exists", o.Identifier)
	}
	setDefault(&o.Engine, "aurora-mysql")
	setDefault(&o.Endpoint, r.endpoint(o.Identifier, "cluster-"))
	setDefault(&o.ReaderEndpoint, r.endpoint(o.Identifier, "cluster-ro-"))
	setDefault(&o.Port, 3306)
	c := &dbCluster{DBCluster: o}
	c.master = r.newMaster(o.Identifier, true, &c.Master, o.Status)
	r.clusters = append(r.clusters, c)
	return nil
}

func (r *rds) endpoint(identifier, kind string) string {
	return strings.ToLower(identifier) + "." + kind + "c0example." + r.srv.opts.Region + ".rds.amazonaws.com"
}

// DBInstance returns the state of an instance.
func (s *Server) DBInstance(identifier string) (DBState, error) {
	s.rds.mu.Lock()
	defer s.rds.mu.Unlock()
	i, err := s.rds.findInstance(identifier)
	if err != nil {
		return DBState{}, err
	}
	return i.master.state(), nil
}

// DBCluster returns the state of a cluster.
func (s *Server) DBCluster(identifier string) (DBState, error) {
	s.rds.mu.Lock()
	defer s.rds.mu.Unlock()
	c, err := s.rds.findCluster(identifier)
	if err != nil {
		return DBState{}, err
	}
	return c.master.state(), nil
}

// findInstance finds an instance by its identifier, whose case does not matter. The caller holds the lock.
func (r *rds) findInstance(identifier string) (*dbInstance, error) {
	i := slices.IndexFunc(r.instances, func(i *dbInstance) bool { return strings.EqualFold(i.Identifier, identifier) })
	if i < 0 {
		return nil, &Error{Code: "DBInstanceNotFound", Message: "DBInstance " + identifier + " not found.", Status: 404}
	}
	return r.instances[i], nil
}

// findCluster is findInstance for clusters.
func (r *rds) findCluster(identifier string) (*dbCluster, error) {
	i := slices.IndexFunc(r.clusters, func(c *dbCluster) bool { return strings.EqualFold(c.Identifier, identifier) })
	if i < 0 {
		return nil, &Error{Code: "DBClusterNotFoundFault", Message: "DBCluster " + identifier + " not found.", Status: 404}
	}
	return r.clusters[i], nil
}
