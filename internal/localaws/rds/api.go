package rds

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

// API describes the operations for the wire.
func (s *StandIn) API() *wire.QueryService {
	return &wire.QueryService{
		Name:    "rds",
		Version: "2014-10-31",
		Operations: map[string]wire.QueryOperation{
			"DescribeDBInstances": wire.HandleQuery(s.DescribeDBInstances),
			"DescribeDBClusters":  wire.HandleQuery(s.DescribeDBClusters),
			"ModifyDBInstance":    wire.HandleQuery(s.ModifyDBInstance),
			"ModifyDBCluster":     wire.HandleQuery(s.ModifyDBCluster),
		},
	}
}

// AccessRules say what IAM is asked about each operation. A description of all databases asks for db:* to the letter, which a
// policy for one database does not allow (https://github.com/awslabs/pireporter/issues/8).
func (s *StandIn) AccessRules() wire.Rules {
	instance, cluster := s.named("db", "DBInstanceIdentifier"), s.named("cluster", "DBClusterIdentifier")
	return wire.Rules{
		"rds:DescribeDBClusters":  cluster,
		"rds:DescribeDBInstances": instance,
		"rds:ModifyDBCluster":     cluster,
		"rds:ModifyDBInstance":    instance,
	}
}

// named asks about the instance or the cluster that a member of the request names. Without a name it is *, to the letter.
func (s *StandIn) named(kind, member string) wire.Rule {
	return wire.Rule{Resources: func(m wire.Members) []string {
		return []string{s.env.Account.ARN("rds", kind+":"+cmp.Or(strings.ToLower(m.First(member)), "*"))}
	}}
}

// DescribeDBInstancesInput names an instance, or none for all.
type DescribeDBInstancesInput struct {
	DBInstanceIdentifier string
	Marker               string
	MaxRecords           *int
}

// DescribeDBInstancesOutput is the answer of DescribeDBInstances.
type DescribeDBInstancesOutput struct {
	Instances []InstanceDescription `xml:"DBInstances>DBInstance"`
	Marker    string                `xml:",omitempty"`
}

// DescribeDBInstances describes one instance or a page of all.
func (s *StandIn) DescribeDBInstances(_ context.Context, in DescribeDBInstancesInput) (*DescribeDBInstancesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.instances
	if id := in.DBInstanceIdentifier; id != "" {
		i, err := s.findInstance(id)
		if err != nil {
			return nil, err
		}
		found = []*dbInstance{i}
	}
	found, marker, err := page(s, found, in.Marker, in.MaxRecords)
	if err != nil {
		return nil, err
	}
	out := &DescribeDBInstancesOutput{Marker: marker}
	for _, i := range found {
		out.Instances = append(out.Instances, i.shape())
	}
	return out, nil
}

// DescribeDBClustersInput names a cluster, or none for all.
type DescribeDBClustersInput struct {
	DBClusterIdentifier string
	Marker              string
	MaxRecords          *int
}

// DescribeDBClustersOutput is the answer of DescribeDBClusters.
type DescribeDBClustersOutput struct {
	Clusters []ClusterDescription `xml:"DBClusters>DBCluster"`
	Marker   string               `xml:",omitempty"`
}

// DescribeDBClusters describes one cluster or a page of all.
func (s *StandIn) DescribeDBClusters(_ context.Context, in DescribeDBClustersInput) (*DescribeDBClustersOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.clusters
	if id := in.DBClusterIdentifier; id != "" {
		c, err := s.findCluster(id)
		if err != nil {
			return nil, err
		}
		found = []*dbCluster{c}
	}
	found, marker, err := page(s, found, in.Marker, in.MaxRecords)
	if err != nil {
		return nil, err
	}
	out := &DescribeDBClustersOutput{Marker: marker}
	for _, c := range found {
		out.Clusters = append(out.Clusters, c.shape())
	}
	return out, nil
}

// page cuts the page of a list that a request asks for. The pages may be smaller than it allows, as AWS's may.
func page[T any](s *StandIn, list []T, marker string, maxRecords *int) (part []T, next string, err error) {
	most := 100
	if maxRecords != nil {
		if most = *maxRecords; most < 20 || most > 100 {
			return nil, "", wire.InvalidValue(fmt.Sprintf("Invalid value %d for MaxRecords. Must be between 20 and 100", most))
		}
	}
	size := min(cmp.Or(s.opts.PageSize, most), most)
	if part, next, err = wire.Page(list, size, most, marker); err != nil {
		return nil, "", wire.InvalidValue("Invalid value for Marker.")
	}
	return part, next, nil
}

// ModifyDBInstanceInput is an instance and its new password, if it is to have one.
type ModifyDBInstanceInput struct {
	DBInstanceIdentifier string
	ApplyImmediately     string
	MasterUserPassword   *string `query:"MasterUserPassword,secret"`
}

// ModifyDBInstanceOutput is the answer of ModifyDBInstance.
type ModifyDBInstanceOutput struct{ DBInstance InstanceDescription }

// ModifyDBInstance changes the password at once, with ApplyImmediately or without, as RDS does for instances.
func (s *StandIn) ModifyDBInstance(_ context.Context, in ModifyDBInstanceInput) (*ModifyDBInstanceOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(in.DBInstanceIdentifier)
	if err != nil {
		return nil, err
	}
	if in.MasterUserPassword != nil {
		if i.cluster != nil {
			return nil, &wire.Error{
				Code: "InvalidParameterCombination",
				Message: "The specified DB Instance is a member of a cluster. " +
					"Modify master user password for the DB Cluster using the ModifyDbCluster API",
			}
		}
		if err := i.master.order(*in.MasterUserPassword); err != nil {
			return nil, err
		}
	}
	return &ModifyDBInstanceOutput{i.shape()}, nil
}

// ModifyDBClusterInput is a cluster and its new password, if it is to have one.
type ModifyDBClusterInput struct {
	DBClusterIdentifier string
	ApplyImmediately    string
	MasterUserPassword  *string `query:"MasterUserPassword,secret"`
}

// ModifyDBClusterOutput is the answer of ModifyDBCluster.
type ModifyDBClusterOutput struct{ DBCluster ClusterDescription }

// ModifyDBCluster changes the password at once, with ApplyImmediately or without. Clusters have been seen to wait for the
// maintenance window without it; the call's Detail tells whether the caller asked for it.
func (s *StandIn) ModifyDBCluster(_ context.Context, in ModifyDBClusterInput) (*ModifyDBClusterOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findCluster(in.DBClusterIdentifier)
	if err != nil {
		return nil, err
	}
	if in.MasterUserPassword != nil {
		if err := c.master.order(*in.MasterUserPassword); err != nil {
			return nil, err
		}
	}
	return &ModifyDBClusterOutput{c.shape()}, nil
}
