package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"mautic-rotation/rotation/rds"
)

// RDS is what this package needs of the RDS API. *rds.Databases has it.
type RDS interface {
	// Named finds an instance or a cluster by its identifier.
	Named(ctx context.Context, identifier string) (rds.Database, error)
	// AtHost finds it by the host of its endpoint; false if RDS has none there.
	AtHost(ctx context.Context, host string) (rds.Database, bool, error)
	// Get reads it again, for what has changed since.
	Get(ctx context.Context, db rds.Database) (rds.Database, error)
	// SetMasterPassword asks RDS to change the password, which it does some time later. Asking
	// again for the same one is harmless.
	SetMasterPassword(ctx context.Context, db rds.Database, password string, log *slog.Logger) error
	// Await returns when RDS has no pending change of the password.
	Await(ctx context.Context, db rds.Database, log *slog.Logger) error
}

// way is how a password is changed. The names are the values of Config.Way.
type way string

const (
	auto   way = "auto"   // whichever is possible, the ones that keep the old password first
	self   way = "self"   // by the account's own login, keeping the old password
	admin  way = "admin"  // by an administrator's login, keeping the old password
	byRDS  way = "rds"    // by the RDS API
	single way = "single" // by the account's own login, with the old password refused at once
)

var ways = []way{auto, self, admin, byRDS, single}

// ParseWay checks a value of Config.Way.
func ParseWay(s string) error {
	_, err := parseWay(s)
	return err
}

func parseWay(s string) (way, error) {
	if s == "" {
		return auto, nil
	}
	if !slices.Contains(ways, way(s)) {
		return "", fmt.Errorf("%q is not one of auto, self, admin, rds, single", s)
	}
	return way(s), nil
}

// dual reports whether the old password stays accepted beside the new one.
func (w way) dual() bool { return w == self || w == admin }

// gap is what a method without overlap costs.
const gap = "from the change of the password until the tasks that use the old one have been replaced, all their new logins fail"

// observed is what the choice of a method depends on.
type observed struct {
	server server

	// mayKeep: the account may change its own password and keep the old one
	// beside it, as a rehearsal has shown.
	mayKeep bool

	admin bool // there is an administrator's secret

	// rds reports whether RDS can be asked; master is what it said of the user,
	// once it was asked.
	rds    bool
	master *master
}

// master is what RDS says of a user.
type master struct {
	db      rds.Database
	found   bool // RDS has a server at this place
	user    bool // the user is its master user
	failure error
}

// problem is why the RDS API cannot set the user's password; nil if it can.
func (m *master) problem(rds bool) error {
	switch {
	case !rds || m == nil:
		return errors.New("this function may not ask RDS")
	case m.failure != nil:
		return fmt.Errorf("RDS could not be asked: %w", m.failure)
	case !m.found:
		return errors.New("RDS has no server at this host (set DATABASE_INSTANCE if the host is another name for it)")
	case !m.user:
		return fmt.Errorf("the user is not the master user of %s, which is %s", m.db.Identifier, m.db.MasterUser)
	case m.db.ManagedSecretARN != "":
		return fmt.Errorf("RDS itself manages the master user's password: have RDS rotate it, by `%s`", rotateManaged(m.db))
	}
	return nil
}

// rotateManaged is the command that makes RDS rotate a password that it manages.
func rotateManaged(db rds.Database) string {
	if db.Cluster {
		return fmt.Sprintf("aws rds modify-db-cluster --db-cluster-identifier %s --rotate-master-user-password", db.Identifier)
	}
	return fmt.Sprintf("aws rds modify-db-instance --db-instance-identifier %s --rotate-master-user-password", db.Identifier)
}

// errAskRDS is choose's answer if it needs to know whether the user is the master user, and RDS
// has not been asked.
var errAskRDS = errors.New("RDS must be asked")

// choose decides how to change a password, and says why. A method that keeps the old password
// comes first.
func choose(o observed, setting way) (w way, why string, err error) {
	if setting == byRDS || setting == auto && keeping(o, auto) == "" {
		if o.rds && o.master == nil {
			return "", "", errAskRDS
		}
	}
	switch setting {
	case self, admin:
		if keeping(o, setting) == "" {
			return "", "", fmt.Errorf("DATABASE_WAY=%s is not possible: %w", setting, whyNot(o, setting))
		}
		return setting, "DATABASE_WAY says so", nil
	case byRDS:
		if err := o.master.problem(o.rds); err != nil {
			return "", "", fmt.Errorf("DATABASE_WAY=rds is not possible: %w", err)
		}
		return byRDS, "DATABASE_WAY says so", nil
	case single:
		return single, "DATABASE_WAY says so", nil
	}
	switch w := keeping(o, auto); {
	case w == self && o.server.mariadb():
		return self, fmt.Sprintf("%s accepts two authentication entries for an account, and the account has CREATE USER", o.server), nil
	case w == self:
		return self, fmt.Sprintf("%s has dual passwords, and the account may keep its old one", o.server), nil
	case w == admin:
		return admin, fmt.Sprintf("there is an administrator's secret, and the account itself cannot keep two passwords: %s", whyNot(o, self)), nil
	}
	problem := o.master.problem(o.rds)
	if problem == nil {
		return byRDS, fmt.Sprintf("%s is the master user of %s, and no method that keeps the old password is possible: %s", o.server.user(), o.master.db.Identifier, whyNot(o, self)), nil
	}
	return "", "", noWay(o, problem)
}

// keeping is the method that keeps the old password: one of the two, or the one that is set. ""
// if it is not possible.
func keeping(o observed, wanted way) way {
	switch {
	case !o.server.dual():
		return ""
	case o.mayKeep && wanted != admin:
		return self
	case o.admin && wanted != self:
		return admin
	}
	return ""
}

// whyNot is why a method that keeps the old password is not possible.
func whyNot(o observed, w way) error {
	switch {
	case !o.server.dual() && o.server.mariadb():
		return fmt.Errorf("the server is %s, and accounts with two passwords need MariaDB 10.4 or later", o.server)
	case !o.server.dual():
		return fmt.Errorf("the server is %s, and accounts with two passwords need MySQL 8.0.14 or later", o.server)
	case w == admin:
		return errors.New("there is no administrator's secret: set DATABASE_ADMIN_SECRET_ARN")
	case o.server.several():
		return o.server.notTogether()
	case o.server.mariadb():
		return errors.New("it lacks CREATE USER, which MariaDB needs for that")
	default:
		return errors.New("it may not keep its old password beside a new one: GRANT APPLICATION_PASSWORD_ADMIN ON *.* to it")
	}
}

// noWay lists what would make a rotation possible.
func noWay(o observed, masterProblem error) error {
	var remedies []string
	switch {
	case !o.server.dual() && o.server.mariadb():
		remedies = append(remedies, "upgrade the server to MariaDB 10.4 or later")
	case !o.server.dual():
		remedies = append(remedies, "upgrade the server to MySQL 8.0.14 or later")
	case o.server.several():
		remedies = append(remedies, o.server.toChangeThemTogether())
	case o.server.mariadb():
		remedies = append(remedies, "set DATABASE_ADMIN_SECRET_ARN to the secret of a user who has CREATE USER")
	default:
		remedies = append(remedies,
			"GRANT APPLICATION_PASSWORD_ADMIN ON *.* to the account",
			"set DATABASE_ADMIN_SECRET_ARN to the secret of a user who has CREATE USER")
	}
	remedies = append(remedies, fmt.Sprintf("set DATABASE_WAY=single and accept its gap (%s)", gap))
	return fmt.Errorf("there is no way to change the password of '%s' without a gap (%w), and the RDS API cannot change it either (%w): %s",
		o.server.account, whyNot(o, self), masterProblem, strings.Join(remedies, "; or "))
}
