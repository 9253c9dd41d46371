package rds

import (
	"cmp"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// The states of a database that RDS takes a change of its master user's password in: while storage is optimised, which
// takes hours, everything but the storage can be modified.
const (
	available           = "available"
	storageOptimization = "storage-optimization"
)

const resetting = "resetting-master-credentials"

// DBStatusChanged tells that a database has entered another status, or that a change of its master user's password has
// been ordered.
type DBStatusChanged struct {
	At              time.Time
	Identifier      string
	Cluster         bool
	Status          string
	PasswordPending bool
}

// When is the event's time.
func (e DBStatusChanged) When() time.Time { return e.At }

// master is the part of a database that a change of the master user's password goes through. The lock is its service's.
type master struct {
	rds        *StandIn
	identifier string
	cluster    bool
	user       *MasterUser

	status  string
	before  string // the status, while it is resetting
	pending string // the password that is to be set, "" when none is
	set     int
	failure error
}

func (s *StandIn) newMaster(identifier string, cluster bool, user *MasterUser, status string) *master {
	user.Name = cmp.Or(user.Name, "admin")
	user.LingerTime = cmp.Or(user.LingerTime, 50*time.Millisecond)
	user.ResettingTime = cmp.Or(user.ResettingTime, 50*time.Millisecond)
	return &master{rds: s, identifier: identifier, cluster: cluster, user: user, status: cmp.Or(status, available)}
}

func (m *master) state() DBState {
	return DBState{Status: m.status, PasswordPending: m.pending != "", PasswordsSet: m.set, Failure: m.failure}
}

// changed tells the observers. The caller holds the lock.
func (m *master) changed() {
	env := m.rds.env
	env.Emit(DBStatusChanged{
		At: env.Now(), Identifier: m.identifier, Cluster: m.cluster, Status: m.status, PasswordPending: m.pending != "",
	})
}

// checkPassword holds a password to the rule for MySQL, MariaDB and Aurora. The messages are RDS's, which do not repeat it.
func checkPassword(password string) error {
	const invalid = "The parameter MasterUserPassword is not a valid password"
	switch {
	case len(password) < 8:
		return wire.InvalidValue(invalid + " because it is shorter than 8 characters.")
	case len(password) > 41:
		return wire.InvalidValue(invalid + " because it is longer than 41 characters.")
	case strings.ContainsFunc(password, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/"@`, r) }):
		return wire.InvalidValue(invalid + `. Only printable ASCII characters besides '/', '@', '"', ' ' may be used.`)
	}
	return nil
}

// order takes the order of a change. Until the status has changed, a further order
// takes the place of the one before. The caller holds the lock.
func (m *master) order(password string) error {
	if m.user.ManagedSecretARN != "" {
		return &wire.Error{
			Code:    "InvalidParameterCombination",
			Message: "You can't specify MasterUserPassword while ManageMasterUserPassword is turned on.",
		}
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	switch {
	case m.status == available, m.status == storageOptimization && !m.cluster:
	case m.cluster:
		return &wire.Error{
			Code: "InvalidDBClusterStateFault", Message: "DB cluster is not available for modification with status " + m.status,
		}
	default:
		return &wire.Error{Code: "InvalidDBInstanceState", Message: "Database instance is not in available state."}
	}
	begun := m.pending != ""
	m.pending = password
	m.changed()
	if !begun && m.rds.changes != nil {
		m.rds.changes.Ordered(&Change{m})
	}
	return nil
}
