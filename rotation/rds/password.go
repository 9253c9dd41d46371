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

// The lengths, in characters, that RDS accepts for a master user's password of MySQL, MariaDB and
// Aurora MySQL (API reference of ModifyDBInstance and ModifyDBCluster, MasterUserPassword).
const (
	minLength = 8
	maxLength = 41
)

// timeToLogIn is how much of an invocation's time Await leaves to its caller, to prove the
// password or to find out what happened to it: two logins (5 s each) and some AWS calls, like
// timeToChange in package rotation.
const timeToLogIn = 20 * time.Second

// SetMasterPassword requests a change of the master user's password, applied immediately and not
// in the maintenance window, and returns when RDS has accepted the request. RDS makes the change
// later: see [Databases.Await].
//
// It may be called again with the same password. It makes the request even if another change is
// pending and has not begun: that one may be someone else's, or be waiting for the maintenance
// window. AWS does not document which of the two wins; a login shows it.
//
// It fails, and has changed nothing, if RDS does not accept such a password, if RDS manages the
// password itself, or if the database is not available. After any other error RDS may have
// accepted the request and its reply was lost: check PasswordPending, and log in.
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
		return fmt.Errorf("%s accepts no change of its master password while its status is %q: nothing was changed; try again when it is available", db.what(), db.Status)
	}
	if db.PasswordPending {
		log.Warn("a change of the master password is already pending, from an earlier attempt or someone else: this request should replace it", "database", db.Identifier)
	}
	if err := d.modify(ctx, db, password); err != nil {
		return err
	}
	log.Info("RDS has accepted the request to change the master password", "database", db.Identifier)
	return nil
}

func (d *Databases) modify(ctx context.Context, db Database, password string) error {
	var err error
	action := "rds:ModifyDBInstance"
	if db.Cluster {
		action = "rds:ModifyDBCluster"
		_, err = d.api.ModifyDBCluster(ctx, &awsrds.ModifyDBClusterInput{
			DBClusterIdentifier: &db.Identifier, MasterUserPassword: &password,
			// Without it, clusters have been seen to wait for the maintenance window.
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
		// It was available a moment ago. It may be busy with this very change: the SDK retries
		// when a reply is lost.
		return fmt.Errorf("%s: it is busy now, perhaps with this very change: try again when it is available: %w", what, err)
	}
	return explain(err, what, action)
}

// managed refuses to set a password that RDS stores and rotates itself. RDS rotates it
// immediately or not at all, hence --apply-immediately.
func managed(db Database) error {
	command := "aws rds modify-db-instance --db-instance-identifier " + db.Identifier
	if db.Cluster {
		command = "aws rds modify-db-cluster --db-cluster-identifier " + db.Identifier
	}
	return fmt.Errorf("RDS manages the master password of %s itself, in the secret %s: nothing was changed; have RDS rotate it: %s --rotate-master-user-password --apply-immediately",
		db.what(), db.ManagedSecretARN, command)
}

// checkPassword checks a password against RDS's rules before it is sent. The error does not
// contain the password.
func checkPassword(password string) error {
	if strings.ContainsFunc(password, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/"@`, r) }) {
		return errors.New(`a master password with a character that RDS does not accept: it accepts printable ASCII except / " @ and space; nothing was changed`)
	}
	if n := len(password); n < minLength || n > maxLength {
		return fmt.Errorf("a master password of %d characters: RDS accepts %d to %d; nothing was changed", n, minLength, maxLength)
	}
	return nil
}

// Await returns when no change of the master user's password is pending and the database is
// available. After a request the database stays available for a while; the pending value shows
// that a change is due, and it goes away when RDS is done. RDS does not say whether it has set
// the password, and its answers may lag behind the request. So this is no proof: log in.
//
// It ends with an error, and can be called again, if ctx would leave its caller less than 20 s;
// without a deadline it waits until ctx is done.
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

// pause waits before the next look, unless too little time would be left after it.
func (d *Databases) pause(ctx context.Context, now Database) error {
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left-d.Interval < timeToLogIn {
			return fmt.Errorf("RDS has not changed the master password of %s yet (status %q, pending: %t), and only %s of the invocation's time are left: RDS finishes by itself, and the next attempt continues from there; if this happens again, raise the function's timeout",
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
