// Package rds knows what RDS tells of a database, and sets its master user's
// password.
//
//	databases := rds.New(client)
//	db, found, err := databases.AtHost(ctx, host)
//	…
//	err = databases.SetMasterPassword(ctx, db, password, log)
//	err = databases.Await(ctx, db, log)
//	… log in with the password: that alone proves it …
//
// RDS takes an order to change the password, and carries it out some time
// later. Meanwhile it does not tell which password logs in, nor afterwards
// which one it has set.
package rds

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"
)

// API is what this package uses of RDS's.
type API interface {
	DescribeDBInstances(context.Context, *awsrds.DescribeDBInstancesInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBInstancesOutput, error)
	DescribeDBClusters(context.Context, *awsrds.DescribeDBClustersInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBClustersOutput, error)
	ModifyDBInstance(context.Context, *awsrds.ModifyDBInstanceInput, ...func(*awsrds.Options)) (*awsrds.ModifyDBInstanceOutput, error)
	ModifyDBCluster(context.Context, *awsrds.ModifyDBClusterInput, ...func(*awsrds.Options)) (*awsrds.ModifyDBClusterOutput, error)
}

// A Database is an RDS instance, or an Aurora or Multi-AZ cluster, as it was
// when it was looked at.
type Database struct {
	Identifier string
	Cluster    bool // it is a cluster, or a member of one, which then is what is meant

	Host       string // the writer's endpoint; empty while RDS creates it
	Port       int
	Name       string // of the database that it was created with; may be empty
	MasterUser string
	Engine     string // "mysql", "mariadb", "aurora-mysql"

	// ManagedSecretARN is the secret in which RDS keeps the master user's
	// password itself; "" when it does not.
	ManagedSecretARN string

	// Status is RDS's word for what it does with the database, such as
	// "resetting-master-credentials".
	Status string
	// Available: RDS takes a change of the password now.
	Available bool
	// PasswordPending: a change of the master user's password is not applied
	// yet. It may be somebody else's.
	PasswordPending bool
}

// what is what errors call the database.
func (db Database) what() string {
	if db.Cluster {
		return "RDS cluster " + db.Identifier
	}
	return "RDS instance " + db.Identifier
}

// Databases are the databases that RDS has in one account and region.
type Databases struct {
	api API

	// Interval is the time between two looks of Await; New sets 5 s. How long
	// RDS takes is not documented, and each look is one call of
	// DescribeDBInstances or DescribeDBClusters, whose rate is limited for the
	// whole account.
	Interval time.Duration
}

// New returns the databases that a client reaches.
func New(api API) *Databases { return &Databases{api: api, Interval: 5 * time.Second} }

// fromInstance tells of an instance that is no member of a cluster.
func fromInstance(i types.DBInstance) Database {
	db := Database{
		Identifier: aws.ToString(i.DBInstanceIdentifier),
		Name:       aws.ToString(i.DBName),
		MasterUser: aws.ToString(i.MasterUsername),
		Engine:     aws.ToString(i.Engine),
		Status:     aws.ToString(i.DBInstanceStatus),

		PasswordPending: i.PendingModifiedValues != nil && i.PendingModifiedValues.MasterUserPassword != nil,
	}
	if i.Endpoint != nil {
		db.Host, db.Port = aws.ToString(i.Endpoint.Address), int(aws.ToInt32(i.Endpoint.Port))
	}
	if i.MasterUserSecret != nil {
		db.ManagedSecretARN = aws.ToString(i.MasterUserSecret.SecretArn)
	}
	// While RDS moves data to changed storage, for hours and up to days, it
	// takes every modification but of the storage:
	// https://repost.aws/knowledge-center/rds-stuck-in-storage-optimization
	db.Available = db.Status == "available" || db.Status == "storage-optimization"
	return db
}

func fromCluster(c types.DBCluster) Database {
	db := Database{
		Identifier: aws.ToString(c.DBClusterIdentifier),
		Cluster:    true,
		Host:       aws.ToString(c.Endpoint),
		Port:       int(aws.ToInt32(c.Port)),
		Name:       aws.ToString(c.DatabaseName),
		MasterUser: aws.ToString(c.MasterUsername),
		Engine:     aws.ToString(c.Engine),
		Status:     aws.ToString(c.Status),

		PasswordPending: c.PendingModifiedValues != nil && c.PendingModifiedValues.MasterUserPassword != nil,
	}
	if c.MasterUserSecret != nil {
		db.ManagedSecretARN = aws.ToString(c.MasterUserSecret.SecretArn)
	}
	db.Available = db.Status == "available"
	return db
}

// notAuthorized is what AWS says of a permission that is missing.
var notAuthorized = regexp.MustCompile(`is not authorized to perform: (rds:[A-Za-z]+)(?: on resource: (arn:[^\s,]+))?`)

// explain says what was being done when RDS answered with an error and, when it
// was not permitted, what to grant: what AWS names or else, say, "rds:DescribeDBInstances".
func explain(err error, what, action string) error {
	if refusal, ok := errors.AsType[smithy.APIError](err); ok {
		switch refusal.ErrorCode() {
		case "AccessDenied", "AccessDeniedException": // RDS says the first
			if m := notAuthorized.FindStringSubmatch(refusal.ErrorMessage()); m != nil {
				action = m[1] // to change a cluster may take the permission to change its members
				if m[2] != "" {
					action += " on " + m[2]
				}
			}
			return fmt.Errorf("%s: grant %s to the function's role: %w", what, action, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
