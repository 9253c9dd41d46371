package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/rotation/credential"
)

// The error numbers that something here depends on. MySQL and MariaDB share
// those below 1900; above, each has its own.
const (
	errDatabaseDenied     = 1044
	errNoPrivilege        = 1227
	errTableDenied        = 1142
	errColumnDenied       = 1143
	errNoTable            = 1146
	errReadOnly           = 1290
	errUserOperation      = 1396
	errPolicy             = 1819
	errReused             = 3638 // ER_CREDENTIALS_CONTRADICT_TO_HISTORY
	errNotCurrentPassword = 3891 // ER_INCORRECT_CURRENT_PASSWORD: REPLACE did not name the primary one
	errTooFewChanges      = 4165 // validate_password: the new password is too much like the one in REPLACE
)

// meaning is what an error number says of the value that was tried, and what
// an operator is told. The text may use %s once, for the account.
type meaning struct {
	outcome credential.Outcome
	text    string
}

var meanings = map[uint16]meaning{
	1045: {credential.Denied, "the password of %s is wrong, or the server knows no such user from this host, or the account asks for TLS or a client certificate: check the user and, if the password was changed by hand, store it in the secret"},
	1698: {credential.Unknown, "%s logs in by the server's operating system (unix_socket), not by password: give it a password (ALTER USER … IDENTIFIED VIA mysql_native_password USING PASSWORD('…')), or name another user"},

	errDatabaseDenied: {credential.Accepted, "the password of %s is right, but it has no access to the database: GRANT it, or correct the database's name in the secret or in DATABASE_NAME"},
	1049:              {credential.Accepted, "the password of %s is right, but there is no such database: correct its name in the secret or in DATABASE_NAME"},

	1040: {credential.Unreachable, "the server has too many connections, which says nothing of the password of %s: raise max_connections, or wait"},
	1226: {credential.Unreachable, "%s has used up its resource limit, which says nothing of its password: raise MAX_USER_CONNECTIONS or the like"},
	1129: {credential.Unreachable, "the server has blocked this host after too many broken connections, so %s cannot log in: find their cause (often TLS), then run FLUSH HOSTS (TRUNCATE TABLE performance_schema.host_cache)"},
	1130: {credential.Unreachable, "the server lets nobody log in from this host, %s neither: create the account for a host pattern that covers the function's subnets"},
	3159: {credential.Unreachable, "the server takes %s over TLS alone (require_secure_transport): leave DATABASE_TLS at VERIFY_IDENTITY"},

	3118: {credential.Locked, "the account %s is locked by hand: ALTER USER … ACCOUNT UNLOCK"},
	4151: {credential.Locked, "the account %s is locked by hand: ALTER USER … ACCOUNT UNLOCK"},
	3955: {credential.Locked, "the account %s is locked for a time, after too many failed logins: find who tries a wrong password, and wait or ALTER USER … ACCOUNT UNLOCK"},
	4150: {credential.Locked, "the account %s is blocked, after too many failed logins (max_password_errors): find who tries a wrong password, then FLUSH PRIVILEGES"},
	1820: {credential.Locked, "the password of %s is right but has expired: ALTER USER … PASSWORD EXPIRE NEVER (this function does the rotating)"},
	1862: {credential.Locked, "the password of %s is right but has expired: ALTER USER … PASSWORD EXPIRE NEVER (this function does the rotating)"},

	errNoPrivilege:   {credential.Unknown, "%s may not keep its old password beside a new one: GRANT APPLICATION_PASSWORD_ADMIN ON *.* to it"},
	errReadOnly:      {credential.Unknown, "the server %s is logged in to is read-only: name the writer's endpoint as the host, not a reader's"},
	1205:             {credential.Unknown, "another statement held the lock on accounts for more than 5 s, and nothing was changed for %s: try again"},
	errUserOperation: {credential.Unknown, "the server would not change %s: see that the account is still there"},
	errPolicy:        {credential.Unknown, "the server's password policy refuses the new password of %s: raise PASSWORD_LENGTH or widen PASSWORD_ALPHABET to meet it"},
	errReused:        {credential.Unknown, "the password history or reuse interval of %s refuses a password that was used before, which closing or undoing a rotation needs: ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY"},
	errTooFewChanges: {credential.Unknown, "the policy " + changedCharacters + " refuses a password of %s that is too much like the one it replaces, or the same: SET GLOBAL " + changedCharacters + " = 0 (on RDS, in the parameter group)"},
	3878:             {credential.Unknown, "the present password of %s is empty, and MySQL retains no empty one: give it a password, and store that in the secret"},
	3894:             {credential.Unknown, "the server's default authentication plugin is not the one that %s has, and a password is not retained over a change: ALTER USER … IDENTIFIED WITH the default one, with the password in AWSCURRENT"},

	errNotCurrentPassword: {credential.Unknown, "the primary password of %s is not the one that was expected"},
	1064:                  {credential.Unknown, "the server does not understand the statement for %s: dual passwords need MySQL 8.0.14 or later"},
}

// failure is an error of a login or a statement, with what it says of the
// value that was tried. Its text never has the server's own for a number in
// the table: that of 1064, for one, echoes the statement with the passwords.
type failure struct {
	outcome credential.Outcome
	text    string
	err     error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// explain gives an error of the driver its meaning for the account.
func explain(err error, a account) error {
	var known *failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	var inServer *mysql.MySQLError
	if errors.As(err, &inServer) {
		m, ok := meanings[inServer.Number]
		if !ok {
			return &failure{credential.Unknown, fmt.Sprintf("MySQL error %d for %s: %s", inServer.Number, a, inServer.Message), err}
		}
		if inServer.Number == errReadOnly && strings.Contains(inServer.Message, "strict-password-validation") {
			m.text = "the server refuses a hash in place of the password of %s: SET GLOBAL strict_password_validation = OFF"
		}
		return &failure{m.outcome, fmt.Sprintf("MySQL error %d: "+m.text, inServer.Number, a), err}
	}
	if errors.Is(err, mysql.ErrUnknownPlugin) || errors.Is(err, mysql.ErrOldPassword) || errors.Is(err, mysql.ErrCleartextPassword) {
		return &failure{credential.Unknown, fmt.Sprintf("%s logs in by a plugin of the server's that is not supported here (%v): give it a password by caching_sha2_password, or on MariaDB by mysql_native_password", a, err), err}
	}
	return &failure{credential.Unreachable, transport(err, a), err}
}

// transport tells what kept a connection from being made or used.
func transport(err error, a account) string {
	address, _ := a.dial()
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	var network net.Error
	var lookup *net.DNSError
	switch {
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of %s is not for that name (%v): use the name it was issued for; for a server that made its certificate itself, set DATABASE_TLS=VERIFY_CA", address, err)
	case errors.As(err, &certificate):
		return fmt.Sprintf("the certificate of %s is not signed by a root that is trusted (%v): set DATABASE_CA_FILE to the server's own roots", address, err)
	case errors.Is(err, mysql.ErrNoTLS):
		return fmt.Sprintf("%s offers no TLS, and a password is sent over nothing else: switch TLS on at the server", address)
	case errors.As(err, &lookup):
		return fmt.Sprintf("the host name of %s cannot be resolved (%v): check the host, and the VPC's DNS", address, err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network):
		return fmt.Sprintf("%s cannot be reached (%v): check host, port, the function's subnets and the database's security group", address, err)
	default:
		return fmt.Sprintf("the connection to %s broke off: %v", address, err)
	}
}

// isNumber tells whether err is MySQL's error of that number.
func isNumber(err error, number uint16) bool {
	var inServer *mysql.MySQLError
	return errors.As(err, &inServer) && inServer.Number == number
}

// outcomeOf is what an error of a login says of the value that was tried.
func outcomeOf(err error) credential.Outcome {
	var f *failure
	switch {
	case err == nil:
		return credential.Accepted
	case errors.As(err, &f):
		return f.outcome
	default:
		return credential.Unknown
	}
}
