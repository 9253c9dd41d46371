package localaws

import (
	"cmp"
	"net/url"
	"strconv"
)

// Parameters of RDS's operations.
const (
	dbInstanceIdentifier = "DBInstanceIdentifier"
	dbClusterIdentifier  = "DBClusterIdentifier"
	masterUserPassword   = "MasterUserPassword"
)

type describeDBInstancesResult struct {
	Instances []dbInstanceShape `xml:"DBInstances>DBInstance"`
	Marker    string            `xml:",omitempty"`
}

func (r *rds) describeDBInstances(in url.Values) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.instances
	if id := in.Get(dbInstanceIdentifier); id != "" {
		i, err := r.findInstance(id)
		if err != nil {
			return nil, err
		}
		found = []*dbInstance{i}
	}
	found, marker, err := rdsPage(r, found, in)
	if err != nil {
		return nil, err
	}
	out := &describeDBInstancesResult{Marker: marker}
	for _, i := range found {
		out.Instances = append(out.Instances, i.shape())
	}
	return out, nil
}

type describeDBClustersResult struct {
	Clusters []dbClusterShape `xml:"DBClusters>DBCluster"`
	Marker   string           `xml:",omitempty"`
}

func (r *rds) describeDBClusters(in url.Values) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.clusters
	if id := in.Get(dbClusterIdentifier); id != "" {
		c, err := r.findCluster(id)
		if err != nil {
			return nil, err
		}
		found = []*dbCluster{c}
	}
	found, marker, err := rdsPage(r, found, in)
	if err != nil {
		return nil, err
	}
	out := &describeDBClustersResult{Marker: marker}
	for _, c := range found {
		out.Clusters = append(out.Clusters, c.shape())
	}
	return out, nil
}

// rdsPage cuts the page of a list that a request asks for. The pages may be smaller than it allows, as AWS's may.
func rdsPage[T any](r *rds, list []T, in url.Values) (part []T, marker string, err error) {
	most := 100
	if text := in.Get("MaxRecords"); text != "" {
		most, err = strconv.Atoi(text)
		if err != nil || most < 20 || most > 100 {
			return nil, "", invalidValue("Invalid value " + text + " for MaxRecords. Must be between 20 and 100")
		}
	}
	size := min(cmp.Or(r.srv.opts.RDSPageSize, most), most)
	if part, marker, err = page(list, size, most, in.Get("Marker")); err != nil {
		return nil, "", invalidValue("Invalid value for Marker.")
	}
	return part, marker, nil
}

type modifyDBInstanceResult struct{ DBInstance dbInstanceShape }

// modifyDBInstance changes the password at once, with ApplyImmediately or without, as RDS does for instances.
func (r *rds) modifyDBInstance(in url.Values) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, err := r.findInstance(in.Get(dbInstanceIdentifier))
	if err != nil {
		return nil, err
	}
	if in.Has(masterUserPassword) {
		if i.cluster != nil {
			return nil, &Error{
				Code: "InvalidParameterCombination",
				Message: "The specified DB Instance is a member of a cluster. " +
					"Modify master user password for the DB Cluster using the ModifyDbCluster API",
			}
		}
		if err := i.master.order(in.Get(masterUserPassword)); err != nil {
			return nil, err
		}
	}
	return &modifyDBInstanceResult{i.shape()}, nil
}

type modifyDBClusterResult struct{ DBCluster dbClusterShape }

// modifyDBCluster changes the password at once, with ApplyImmediately or without. Clusters have been seen to wait for the
// maintenance window without it; the call's Detail tells whether the caller asked for it.
func (r *rds) modifyDBCluster(in url.Values) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.findCluster(in.Get(dbClusterIdentifier))
	if err != nil {
		return nil, err
	}
	if in.Has(masterUserPassword) {
		if err := c.master.order(in.Get(masterUserPassword)); err != nil {
			return nil, err
		}
	}
	return &modifyDBClusterResult{c.shape()}, nil
}

// What the RDS API tells of things, as far as it is told here.

type dbInstanceShape struct {
	DBInstanceIdentifier  string
	ARN                   string `xml:"DBInstanceArn"`
	DBInstanceStatus      string
	DBClusterIdentifier   string `xml:",omitempty"`
	DBName                string `xml:",omitempty"`
	Engine                string
	MasterUsername        string
	MasterUserSecret      *masterUserSecretShape `xml:",omitempty"`
	Address               string                 `xml:"Endpoint>Address"`
	Port                  int                    `xml:"Endpoint>Port"`
	PendingModifiedValues *pendingShape
}

type dbClusterShape struct {
	DBClusterIdentifier   string
	ARN                   string `xml:"DBClusterArn"`
	Status                string
	DatabaseName          string `xml:",omitempty"`
	Engine                string
	MasterUsername        string
	MasterUserSecret      *masterUserSecretShape `xml:",omitempty"`
	Endpoint              string
	ReaderEndpoint        string
	CustomEndpoints       []string `xml:"CustomEndpoints>member"`
	Port                  int
	Members               []dbMemberShape `xml:"DBClusterMembers>DBClusterMember"`
	PendingModifiedValues *pendingShape   `xml:",omitempty"`
}

type dbMemberShape struct {
	DBInstanceIdentifier string
	IsClusterWriter      bool
}

type masterUserSecretShape struct{ SecretArn, SecretStatus string }

// pendingShape has a member when a change is pending, and never the password.
type pendingShape struct {
	MasterUserPassword string `xml:",omitempty"`
}

func (i *dbInstance) shape() dbInstanceShape {
	s := dbInstanceShape{
		DBInstanceIdentifier: i.Identifier, ARN: i.master.rds.srv.arn("rds", "db:"+i.Identifier), DBInstanceStatus: i.master.status,
		DBName: i.DBName, Engine: i.Engine, MasterUsername: i.Master.Name, MasterUserSecret: i.master.secret(),
		Address: i.Endpoint, Port: i.Port, PendingModifiedValues: i.master.pendingValues(),
	}
	if s.PendingModifiedValues == nil {
		s.PendingModifiedValues = &pendingShape{} // an instance has it always, a cluster when there is something in it
	}
	if i.cluster != nil {
		s.DBClusterIdentifier = i.cluster.Identifier
	}
	return s
}

func (c *dbCluster) shape() dbClusterShape {
	s := dbClusterShape{
		DBClusterIdentifier: c.Identifier, ARN: c.master.rds.srv.arn("rds", "cluster:"+c.Identifier), Status: c.master.status,
		DatabaseName: c.DBName, Engine: c.Engine, MasterUsername: c.Master.Name, MasterUserSecret: c.master.secret(),
		Endpoint: c.Endpoint, ReaderEndpoint: c.ReaderEndpoint, CustomEndpoints: c.CustomEndpoints, Port: c.Port,
		PendingModifiedValues: c.master.pendingValues(),
	}
	for n, member := range c.members {
		s.Members = append(s.Members, dbMemberShape{member.Identifier, n == 0})
	}
	return s
}

func (m *master) secret() *masterUserSecretShape {
	if m.user.ManagedSecretARN == "" {
		return nil
	}
	return &masterUserSecretShape{m.user.ManagedSecretARN, "active"}
}

func (m *master) pendingValues() *pendingShape {
	if m.pending == "" {
		return nil
	}
	return &pendingShape{"****"}
}
