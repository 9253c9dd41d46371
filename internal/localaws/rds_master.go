package localaws

import (
	"errors"
	"strings"
	"time"
)

// The states of a database that RDS takes a change of its master user's password in: while storage is optimised, which
// takes hours, everything but the storage can be modified.
const (
	dbAvailable           = "available"
	dbStorageOptimization = "storage-optimization"
)

const dbResetting = "resetting-master-credentials"

// DBStatusChanged tells that a database has entered another status, or that a change of its master user's password has
// been ordered.
type DBStatusChanged struct {
	At              time.Time
	Identifier      string
	Cluster         bool
	Status          string
	PasswordPending bool
}

func (DBStatusChanged) event() {}

// master is the part of a database that a change of the master user's password goes through. The lock is its service's.
type master struct {
	rds        *rds
	identifier string
	cluster    bool
	user       *MasterUser

	status  string
	pending string // the password that is to be set, "" when none is
	set     int
	failure error
}

func (r *rds) newMaster(identifier string, cluster bool, user *MasterUser, status string) *master {
	setDefault(&user.Name, "admin")
	setDefault(&user.LingerTime, 50*time.Millisecond)
	setDefault(&user.ResettingTime, 50*time.Millisecond)
	setDefault(&status, dbAvailable)
	return &master{rds: r, identifier: identifier, cluster: cluster, user: user, status: status}
}

func (m *master) state() DBState {
	return DBState{Status: m.status, PasswordPending: m.pending != "", PasswordsSet: m.set, Failure: m.failure}
}

// changed tells the observers. The caller holds the lock.
func (m *master) changed() {
	srv := m.rds.srv
	srv.events.emit(DBStatusChanged{
		At: srv.clock.Now(), Identifier: m.identifier, Cluster: m.cluster, Status: m.status, PasswordPending: m.pending != "",
	})
}

// checkPassword holds a password to the rule for MySQL, MariaDB and Aurora. The messages are RDS's, which do not repeat it.
func checkPassword(password string) error {
	const invalid = "The parameter MasterUserPassword is not a valid password"
	switch {
	case len(password) < 8:
		return invalidValue(invalid + " because it is shorter than 8 characters.")
	case len(password) > 41:
		return invalidValue(invalid + " because it is longer than 41 characters.")
	case strings.ContainsFunc(password, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/"@`, r) }):
		return invalidValue(invalid + `. Only printable ASCII characters besides '/', '@', '"', ' ' may be used.`)
	}
	return nil
}

// order takes the order of a change and carries it out in the background. Until the status has changed, a further order
// takes the place of the one before. The caller holds the lock.
func (m *master) order(password string) error {
	if m.user.ManagedSecretARN != "" {
		return &Error{
			Code:    "InvalidParameterCombination",
			Message: "You can't specify MasterUserPassword while ManageMasterUserPassword is turned on.",
		}
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	switch {
	case m.status == dbAvailable, m.status == dbStorageOptimization && !m.cluster:
	case m.cluster:
		return &Error{
			Code: "InvalidDBClusterStateFault", Message: "DB cluster is not available for modification with status " + m.status,
		}
	default:
		return &Error{Code: "InvalidDBInstanceState", Message: "Database instance is not in available state."}
	}
	begun := m.pending != ""
	m.pending = password
	m.changed()
	if !begun {
		m.rds.srv.spawn(m.carryOut)
	}
	return nil
}

// carryOut takes a database through the states of a change.
func (m *master) carryOut() {
	lock := &m.rds.mu
	if !m.wait(m.user.LingerTime) {
		return
	}
	lock.Lock()
	before := m.status
	m.status = dbResetting
	password := m.pending // for good: no order is taken in this status
	m.changed()
	lock.Unlock()

	if !m.wait(m.user.ResettingTime) {
		return
	}
	var err error
	if m.user.SetPassword != nil {
		err = m.user.SetPassword(m.rds.srv.ctx, m.user.Name, password)
	}

	lock.Lock()
	defer lock.Unlock()
	m.status, m.pending = before, ""
	if err != nil {
		// A server quotes the statement that it does not understand.
		m.failure = errors.New(strings.ReplaceAll(err.Error(), password, "****"))
	} else {
		m.set++
	}
	m.changed()
}

// wait waits, or reports false when the server is closed meanwhile.
func (m *master) wait(d time.Duration) bool {
	select {
	case <-m.rds.srv.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
