// Package rds looks up databases in RDS, and sets the master user's password.
//
//	databases := rds.New(client)
//	db, found, err := databases.AtHost(ctx, host)
//	…
//	err = databases.SetMasterPassword(ctx, db, password, log)
//	err = databases.Await(ctx, db, log)
//	… log in with the password: that alone proves it …
//
// RDS accepts a request to change the password, and makes the change some time
// later. It does not say which password logs in until then, nor which one it has
// set afterwards.
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

// API is the part of RDS's API that this package uses.
type API interface {
	DescribeDBInstances(context.Context, *awsrds.DescribeDBInstancesInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBInstancesOutput, error)
	DescribeDBClusters(context.Context, *awsrds.DescribeDBClustersInput, ...func(*awsrds.Options)) (*awsrds.DescribeDBClustersOutput, error)
	ModifyDBInstance(context.Context, *awsrds.ModifyDBInstanceInput, ...func(*awsrds.Options)) (*awsrds.ModifyDBInstanceOutput, error)
	ModifyDBCluster(context.Context, *awsrds.ModifyDBClusterInput, ...func(*awsrds.Options)) (*awsrds.ModifyDBClusterOutput, error)
}

// A Database is an RDS instance, or an Aurora or Multi-AZ cluster, as of the last look.
type Database struct {
	Identifier string
	Cluster    bool // it is a cluster, or was found by one of its members

	Host       string // the writer's endpoint; empty while RDS creates it
	Port       int
	Name       string // the database that it was created with; may be empty
	MasterUser string
	Engine     string // "mysql", "mariadb", "aurora-mysql"

	// ManagedSecretARN is the secret in which RDS manages the master user's password; "" if it
	// does not.
	ManagedSecretARN string

	// Status is RDS's status of the database, such as "resetting-master-credentials".
	Status string
	// Available: RDS accepts a change of the password now.
	Available bool
	// PasswordPending: a change of the master user's password has not been applied yet. Someone
	// else may have requested it.
	PasswordPending bool
}

// what names the database in errors.
func (db Database) what() string {
	if db.Cluster {
		return "RDS cluster " + db.Identifier
	}
	return "RDS instance " + db.Identifier
}

// Databases are the RDS databases of one account and region.
type Databases struct {
	api API

	// Interval is the time between two looks of Await; New sets 5 s. AWS does not document how
	// long a change takes. Each look calls DescribeDBInstances or DescribeDBClusters, whose rate
	// is limited for the whole account.
	Interval time.Duration
}

// New returns the databases that a client can reach.
func New(api API) *Databases { return &Databases{api: api, Interval: 5 * time.Second} }

// fromInstance describes an instance that is not a member of a cluster.
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
	// While RDS moves data to changed storage, which takes hours or days, it accepts every
	// modification except of the storage:
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

// notAuthorized is AWS's message about a missing permission.
var notAuthorized = regexp.MustCompile(`is not authorized to perform: (rds:[A-Za-z]+)(?: on resource: (arn:[^\s,]+))?`)

// explain says what was being done when RDS answered with an error and, if permission was
// missing, what to grant: the action that AWS names or, if it names none, the given one, such as
// "rds:DescribeDBInstances".
func explain(err error, what, action string) error {
	if refusal, ok := errors.AsType[smithy.APIError](err); ok {
		switch refusal.ErrorCode() {
		case "AccessDenied", "AccessDeniedException": // RDS uses the first
			if m := notAuthorized.FindStringSubmatch(refusal.ErrorMessage()); m != nil {
				action = m[1] // changing a cluster may need permission to change its members
				if m[2] != "" {
					action += " on " + m[2]
				}
			}
			return fmt.Errorf("%s: grant %s to the function's role: %w", what, action, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
