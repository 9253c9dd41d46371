// Package rds knows what RDS tells of a database, and sets its master user's
// password.
package rds

import (
	"context"

	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
)

// API is what this package uses of RDS's.
type API interface {
	DescribeDBInstances(context.Context, *awsrds.DescribeDBInstancesInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBInstancesOutput, error)
	DescribeDBClusters(context.Context, *awsrds.DescribeDBClustersInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBClustersOutput, error)
	ModifyDBInstance(context.Context, *awsrds.ModifyDBInstanceInput, ...func(*awsrds.Options)) (*awsrds.ModifyDBInstanceOutput, error)
	ModifyDBCluster(context.Context, *awsrds.ModifyDBClusterInput, ...func(*awsrds.Options)) (*awsrds.ModifyDBClusterOutput, error)
}

// A Database is an RDS instance, or an Aurora or Multi-AZ cluster.
type Database struct {
	Identifier string
	Cluster    bool // it is a cluster, or a member of one, which then is what is meant

	Host       string // the writer's endpoint
	Port       int
	Name       string // of the database that it was created with; may be empty
	MasterUser string
	Engine     string // "mysql", "mariadb", "aurora-mysql"

	// ManagedSecretARN is the secret in which RDS keeps the master user's
	// password itself; "" when it does not.
	ManagedSecretARN string

	// Available: RDS takes a change of the password now.
	Available bool
	// PasswordPending: a change of the master user's password is not applied yet.
	PasswordPending bool
}
