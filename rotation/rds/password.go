package rds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// The lengths, in characters, that RDS takes for a master user's password of
// MySQL, MariaDB and Aurora MySQL (API reference of ModifyDBInstance and
// ModifyDBCluster, MasterUserPassword).
const (
	minLength = 8
	maxLength = 41
)

// timeToLogIn is how much of an invocation's time Await leaves to its caller, to
// prove the password or to find out what became of it: two logins (5 s each)
// and some AWS calls, as timeToChange in package rotation has it.
const timeToLogIn = 20 * time.Second

// SetMasterPassword orders RDS to change the master user's password, at once
// and not in the maintenance window, and returns when RDS has taken the order.
// RDS carries it out later: see [Databases.Await].
//
// It may be called again with the same password. When a change is pending
// already, and has not begun, the order is given all the same: that change may
// be another's, or wait for the maintenance window. Which of the two RDS would
// then leave is not documented; a login tells.
//
// It fails, and has changed nothing, when the password is not one that RDS
// takes, when RDS manages the password itself, and when the database is not
// available. After another error RDS may have taken the order all the same, its
// reply lost: look at PasswordPending, and log in.
func (d *Databases) SetMasterPassword(ctx context.Context, db Database, password string, log *slog.Logger) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	db, err := d.Get(ctx, db)
	if err != nil {
		return err
	}
	if db.ManagedSecretARN != "" {
		return managed(db)
	}
	if !db.Available {
		return fmt.Errorf("%s takes no change of its master password while its status is %q: nothing was changed; try again when it is available", db.what(), db.Status)
	}
	if db.PasswordPending {
		log.Warn("a change of the master password is pending already, of an earlier attempt or somebody else's: this order is to replace it", "database", db.Identifier)
	}
	if err := d.modify(ctx, db, password); err != nil {
		return err
	}
	log.Info("RDS has taken the order to change the master password", "database", db.Identifier)
	return nil
}

func (d *Databases) modify(ctx context.Context, db Database, password string) error {
	var err error
	action := "rds:ModifyDBInstance"
	if db.Cluster {
		action = "rds:ModifyDBCluster"
		_, err = d.api.ModifyDBCluster(ctx, &awsrds.ModifyDBClusterInput{
			DBClusterIdentifier: &db.Identifier, MasterUserPassword: &password,
			// Clusters have been seen to wait for the maintenance window without it.
			ApplyImmediately: aws.Bool(true),
		})
	} else {
		_, err = d.api.ModifyDBInstance(ctx, &awsrds.ModifyDBInstanceInput{
			DBInstanceIdentifier: &db.Identifier, MasterUserPassword: &password, ApplyImmediately: aws.Bool(true),
		})
	}
	if err == nil {
		return nil
	}
	what := "change the master password of " + db.what()
	_, busyInstance := errors.AsType[*types.InvalidDBInstanceStateFault](err)
	_, busyCluster := errors.AsType[*types.InvalidDBClusterStateFault](err)
	if busyInstance || busyCluster {
		// It was available just now. What it does may well be this change: the
		// SDK asks again when a reply is lost.
		return fmt.Errorf("%s: it has become busy, perhaps with this very change: try again when it is available: %w", what, err)
	}
	return explain(err, what, action)
}

// managed refuses to set a password that RDS keeps and rotates itself. RDS
// rotates it at once or not at all, hence --apply-immediately.
func managed(db Database) error {
	command := "aws rds modify-db-instance --db-instance-identifier " + db.Identifier
	if db.Cluster {
		command = "aws rds modify-db-cluster --db-cluster-identifier " + db.Identifier
	}
	return fmt.Errorf("RDS manages the master password of %s itself, in the secret %s: nothing was changed; let RDS rotate it: %s --rotate-master-user-password --apply-immediately",
		db.what(), db.ManagedSecretARN, command)
}

// checkPassword holds a password to RDS's rule before RDS sees it. The error
// does not tell the password.
func checkPassword(password string) error {
	if strings.ContainsFunc(password, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/"@`, r) }) {
		return errors.New(`a master password with a character that RDS does not take: it takes printable ASCII but / " @ and space; nothing was changed`)
	}
	if n := len(password); n < minLength || n > maxLength {
		return fmt.Errorf("a master password of %d characters: RDS takes %d to %d; nothing was changed", n, minLength, maxLength)
	}
	return nil
}

// Await returns when no change of the master user's password is pending and the
// database is available. After an order the database goes on being available
// for a while: it is the pending value that tells, and that goes away when RDS
// is done. Whether it has set the password it does not say, and a look may lag
// behind the order. So this is no proof of the password: log in.
//
// It ends with an error, and can be called again, when ctx would leave less than
// 20 s to the caller; without a deadline it waits until ctx is done.
func (d *Databases) Await(ctx context.Context, db Database, log *slog.Logger) error {
	for said := ""; ; {
		now, err := d.Get(ctx, db)
		if err != nil {
			return err
		}
		if now.Available && !now.PasswordPending {
			return nil
		}
		if now.Status != said {
			said = now.Status
			log.Info("waiting for RDS to change the master password", "database", now.Identifier, "status", now.Status, "pending", now.PasswordPending)
		}
		if err := d.pause(ctx, now); err != nil {
			return err
		}
	}
}

// pause waits for the next look, unless too little time would be left after it.
func (d *Databases) pause(ctx context.Context, now Database) error {
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left-d.Interval < timeToLogIn {
			return fmt.Errorf("RDS has not changed the master password of %s yet (status %q, pending: %t), and only %s of the invocation's time are left: it goes on by itself, and the next try goes on from there; when this comes back, raise the function's timeout",
				now.what(), now.Status, now.PasswordPending, left.Round(100*time.Millisecond))
		}
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for RDS to change the master password of %s: %w", now.what(), context.Cause(ctx))
	case <-time.After(d.Interval):
		return nil
	}
}
