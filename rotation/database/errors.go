package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// meaning is what an error number says about the value that was tried, and what an operator is
// told. The problem has one %s, for the account.
type meaning struct {
	outcome         credential.Outcome
	problem, remedy string
}

var meanings = map[uint16]meaning{
	mysql.AccessDenied:    {credential.Denied, "the password of %s is wrong, or the server knows no such user from this host, or the account asks for TLS or a client certificate", "check the user and, if the password was changed by hand, store it in the secret; this function has no client certificate, so where one is required: ALTER USER … REQUIRE SSL"},
	mysql.NoPasswordLogin: {credential.Unknown, "%s logs in as an operating system user (unix_socket), not by password", "give it a password (ALTER USER … IDENTIFIED VIA mysql_native_password USING PASSWORD('…')), or name another user"},

	mysql.DatabaseDenied: {credential.Accepted, "the password of %s is right, but it has no access to the database", "GRANT it, or correct the database's name in the secret or in DATABASE_NAME"},
	mysql.NoDatabase:     {credential.Accepted, "the password of %s is right, but there is no such database", "correct its name in the secret or in DATABASE_NAME"},

	mysql.TooManyConnections: {credential.Unreachable, "the server has too many connections, which says nothing about the password of %s", "raise max_connections, or wait"},
	mysql.ResourceLimit:      {credential.Unreachable, "%s has used up its resource limit, which says nothing about its password", "ALTER USER … WITH MAX_USER_CONNECTIONS 0, or a higher limit (or the limit of another resource)"},
	mysql.HostBlocked:        {credential.Unreachable, "the server has blocked this host after too many broken connections, so %s cannot log in", "find the cause (often TLS), then run FLUSH HOSTS (TRUNCATE TABLE performance_schema.host_cache)"},
	mysql.HostNotAllowed:     {credential.Unreachable, "the server does not let anyone log in from this host, including %s", "create the account for a host pattern that covers the function's subnets"},
	mysql.TLSRequired:        {credential.Unreachable, "the server accepts %s only over TLS (require_secure_transport)", "leave DATABASE_TLS at VERIFY_IDENTITY"},

	mysql.AccountLocked:        {credential.Locked, "the account %s is locked by hand", "ALTER USER … ACCOUNT UNLOCK"},
	mysql.AccountLockedMariaDB: {credential.Locked, "the account %s is locked by hand", "ALTER USER … ACCOUNT UNLOCK"},
	mysql.TemporarilyLocked:    {credential.Locked, "the account %s is temporarily locked after too many failed logins", "find who tries a wrong password, and wait or ALTER USER … ACCOUNT UNLOCK"},
	mysql.TooManyWrongLogins:   {credential.Locked, "the account %s is blocked after too many failed logins (max_password_errors)", "find who tries a wrong password, then FLUSH PRIVILEGES"},
	mysql.MustChangePassword:   {credential.Locked, "the password of %s is right but has expired", "have an administrator run ALTER USER … IDENTIFIED BY '<the password in AWSCURRENT>' PASSWORD EXPIRE NEVER (this function does the rotating)"},
	mysql.PasswordExpired:      {credential.Locked, "the password of %s is right but has expired", "have an administrator run ALTER USER … IDENTIFIED BY '<the password in AWSCURRENT>' PASSWORD EXPIRE NEVER (this function does the rotating)"},

	mysql.NoPrivilege:         {credential.Unknown, "%s may not keep its old password beside a new one", "GRANT APPLICATION_PASSWORD_ADMIN ON *.* to it"},
	mysql.OptionPreventsIt:    {credential.Unknown, "the server that %s is logged in to is read-only", "name the writer's endpoint as the host, not a reader's"},
	mysql.LockWaitTimeout:     {credential.Unknown, "another statement held the lock on accounts for more than 5 s, and nothing was changed for %s", "try again"},
	mysql.UserOperationFailed: {credential.Unknown, "the server would not change %s", "check that the account still exists"},
	mysql.PolicyRefuses:       {credential.Unknown, "the server's password policy refuses the new password of %s", "raise PASSWORD_LENGTH or widen PASSWORD_ALPHABET to meet it"},
	mysql.PasswordReused:      {credential.Unknown, "the password history or reuse interval of %s refuses a password that was used before, which a rotation needs to complete or to be undone", "ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY"},
	mysql.TooFewChanges:       {credential.Unknown, "the policy " + changedCharacters + " refuses a password of %s that is too similar to the one it replaces", "SET GLOBAL " + changedCharacters + " = 0 (on RDS, in the parameter group)"},
	mysql.MustNamePassword:    {credential.Unknown, "%s has to name its primary password to change it (password_require_current), and none of the known passwords is the primary one", "ALTER USER … PASSWORD REQUIRE CURRENT OPTIONAL, for as long as it takes"},
	mysql.EmptyPassword:       {credential.Unknown, "the current password of %s is empty, and MySQL cannot retain an empty one", "give it a password, and store that in the secret"},
	mysql.PluginChanges:       {credential.Unknown, "the server's default authentication plugin is not that of %s, and a change of plugin does not retain the password", "ALTER USER … IDENTIFIED WITH the default one, with the password in AWSCURRENT"},

	mysql.NotCurrentPassword: {credential.Unknown, "the primary password of %s is not the one that was expected", ""},
	mysql.SyntaxError:        {credential.Unknown, "the server does not understand the statement for %s", "dual passwords need MySQL 8.0.14 or later"},
}

// explain gives a driver error its meaning for the account. For a number in the table it never
// includes the server's own text: that of 1064, for one, repeats the statement with the
// passwords.
func explain(err error, a account) error {
	var known *credential.Failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	var inServer *driver.MySQLError
	if errors.As(err, &inServer) {
		m, ok := meanings[inServer.Number]
		if !ok {
			return &credential.Failure{Outcome: credential.Unknown, Problem: fmt.Sprintf("MySQL error %d for %s: %s", inServer.Number, a, inServer.Message), Cause: err}
		}
		if refusesHashes(err) {
			m.problem, m.remedy = "the server refuses a hash as the password of %s", "SET GLOBAL strict_password_validation = OFF"
		}
		return &credential.Failure{Outcome: m.outcome, Problem: fmt.Sprintf("MySQL error %d: "+m.problem, inServer.Number, a), Remedy: m.remedy, Cause: err}
	}
	if errors.Is(err, driver.ErrUnknownPlugin) || errors.Is(err, driver.ErrOldPassword) || errors.Is(err, driver.ErrCleartextPassword) {
		return &credential.Failure{
			Outcome: credential.Unknown, Cause: err,
			Problem: fmt.Sprintf("%s logs in with an authentication plugin that this function does not support (%v)", a, err),
			Remedy:  "give it a password with caching_sha2_password, or on MariaDB with mysql_native_password",
		}
	}
	problem, remedy := transport(err, a)
	return &credential.Failure{Outcome: credential.Unreachable, Problem: problem, Remedy: remedy, Cause: err}
}

// transport says what kept a connection from being made or used, and what to do about it.
func transport(err error, a account) (problem, remedy string) {
	address, _ := a.dial()
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	var network net.Error
	var lookup *net.DNSError
	switch {
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of %s is not for that name (%v)", address, err),
			"use the name it was issued for; for a server with a self-signed certificate, set DATABASE_TLS=VERIFY_CA"
	case errors.As(err, &certificate):
		return fmt.Sprintf("the certificate of %s is not signed by a trusted root (%v)", address, err),
			"set DATABASE_CA_FILE to the server's own root certificates"
	case errors.Is(err, driver.ErrNoTLS):
		return fmt.Sprintf("%s offers no TLS, and the password is not sent without it", address),
			"enable TLS on the server"
	case errors.As(err, &lookup):
		return fmt.Sprintf("the host name of %s cannot be resolved (%v)", address, err),
			"check the host, and the VPC's DNS"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network):
		return fmt.Sprintf("%s cannot be reached (%v)", address, err),
			"check host, port, the function's subnets and the database's security group; if they are right, the server may be frozen"
	default:
		return fmt.Sprintf("the connection to %s was lost: %v", address, err),
			"check whether the server answers anyone, since it may be frozen, restarting or out of memory; then try again"
	}
}

// refusesHashes reports whether MariaDB's strict_password_validation has refused a statement,
// rather than a read-only server: both use the same number.
func refusesHashes(err error) bool {
	var inServer *driver.MySQLError
	return errors.As(err, &inServer) && inServer.Number == mysql.OptionPreventsIt && strings.Contains(inServer.Message, "strict-password-validation")
}
