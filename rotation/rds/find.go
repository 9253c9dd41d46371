package rds

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// pageSize is the most that RDS lists in one reply, and its default.
const pageSize = 100

// Named returns the instance with that identifier or, if there is none, the cluster. For a member
// of a cluster it returns the cluster, which has the master user. It fails if there is neither.
func (d *Databases) Named(ctx context.Context, identifier string) (Database, error) {
	if identifier == "" { // RDS would list all of them
		return Database{}, errors.New("no identifier of an RDS database was given")
	}
	instance, err := d.instance(ctx, identifier)
	if err == nil {
		return d.of(ctx, instance)
	}
	if _, gone := errors.AsType[*types.DBInstanceNotFoundFault](err); !gone {
		return Database{}, err
	}
	db, err := d.cluster(ctx, identifier)
	if _, gone := errors.AsType[*types.DBClusterNotFoundFault](err); gone {
		return Database{}, fmt.Errorf("RDS has no instance and no cluster %q in this account and region: correct the identifier", identifier)
	}
	return db, err
}

// AtHost returns the instance or the cluster that has host as one of its endpoints, ignoring
// case: an instance's own, or a cluster's writer, reader or custom endpoint. For an endpoint of a
// cluster's member it returns the cluster.
//
// found is false, without an error, if there is none: host may be a custom DNS name for the
// database, an RDS Proxy, or not an RDS database at all. To find that out takes a call for every
// 100 instances and for every 100 clusters.
func (d *Databases) AtHost(ctx context.Context, host string) (db Database, found bool, err error) {
	is := func(endpoint *string) bool { return host != "" && strings.EqualFold(aws.ToString(endpoint), host) }

	instances := awsrds.NewDescribeDBInstancesPaginator(d.api, &awsrds.DescribeDBInstancesInput{MaxRecords: aws.Int32(pageSize)})
	for instances.HasMorePages() {
		page, err := instances.NextPage(ctx)
		if err != nil {
			return Database{}, false, explain(err, "look for the RDS instance at "+host, "rds:DescribeDBInstances")
		}
		for _, i := range page.DBInstances {
			if i.Endpoint != nil && is(i.Endpoint.Address) {
				db, err := d.of(ctx, i)
				return db, err == nil, err
			}
		}
	}

	clusters := awsrds.NewDescribeDBClustersPaginator(d.api, &awsrds.DescribeDBClustersInput{MaxRecords: aws.Int32(pageSize)})
	for clusters.HasMorePages() {
		page, err := clusters.NextPage(ctx)
		if err != nil {
			return Database{}, false, explain(err, "look for the RDS cluster at "+host, "rds:DescribeDBClusters")
		}
		for _, c := range page.DBClusters {
			found := is(c.Endpoint) || is(c.ReaderEndpoint)
			for _, custom := range c.CustomEndpoints {
				found = found || is(&custom)
			}
			if found {
				return fromCluster(c), true, nil
			}
		}
	}
	return Database{}, false, nil
}

// Get reads a database again, with one call.
func (d *Databases) Get(ctx context.Context, db Database) (Database, error) {
	if db.Cluster {
		return d.cluster(ctx, db.Identifier)
	}
	instance, err := d.instance(ctx, db.Identifier)
	if err != nil {
		return Database{}, err
	}
	return fromInstance(instance), nil
}

// of returns the instance, or the cluster that it is a member of.
func (d *Databases) of(ctx context.Context, i types.DBInstance) (Database, error) {
	if cluster := aws.ToString(i.DBClusterIdentifier); cluster != "" {
		return d.cluster(ctx, cluster)
	}
	return fromInstance(i), nil
}

func (d *Databases) instance(ctx context.Context, identifier string) (types.DBInstance, error) {
	what := "describe the RDS instance " + identifier
	out, err := d.api.DescribeDBInstances(ctx, &awsrds.DescribeDBInstancesInput{DBInstanceIdentifier: &identifier})
	if err != nil {
		return types.DBInstance{}, explain(err, what, "rds:DescribeDBInstances")
	}
	if n := len(out.DBInstances); n != 1 {
		return types.DBInstance{}, fmt.Errorf("%s: RDS answered with %d instances", what, n)
	}
	return out.DBInstances[0], nil
}

func (d *Databases) cluster(ctx context.Context, identifier string) (Database, error) {
	what := "describe the RDS cluster " + identifier
	out, err := d.api.DescribeDBClusters(ctx, &awsrds.DescribeDBClustersInput{DBClusterIdentifier: &identifier})
	if err != nil {
		return Database{}, explain(err, what, "rds:DescribeDBClusters")
	}
	if n := len(out.DBClusters); n != 1 {
		return Database{}, fmt.Errorf("%s: RDS answered with %d clusters", what, n)
	}
	return fromCluster(out.DBClusters[0]), nil
}
