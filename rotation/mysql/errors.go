package mysql

import (
	"errors"
	"fmt"

	driver "github.com/go-sql-driver/mysql"
)

// Error numbers, named for what they mean here. MySQL and MariaDB share those below 1900; above
// that, each has its own.
const (
	TooManyConnections   = 1040
	DatabaseDenied       = 1044 // the password is right
	AccessDenied         = 1045 // a wrong password, an unknown user, or no TLS where the account requires it
	NoDatabase           = 1049 // the password is right
	NoColumn             = 1054
	Duplicate            = 1062
	SyntaxError          = 1064
	NoSuchThread         = 1094
	HostBlocked          = 1129
	HostNotAllowed       = 1130
	TableDenied          = 1142
	ColumnDenied         = 1143
	NoTable              = 1146
	NoVariable           = 1193 // the variable of a plugin or component that is not installed, or an unknown one
	LockWaitTimeout      = 1205
	Deadlock             = 1213
	ResourceLimit        = 1226
	NoPrivilege          = 1227
	BadHash              = 1372 // MariaDB: not a valid password hash
	OptionPreventsIt     = 1290 // read-only; on MariaDB strict_password_validation too
	UserOperationFailed  = 1396
	NoPasswordLogin      = 1698 // the account logs in by its operating system user
	ReadOnlyTransaction  = 1792
	PolicyRefuses        = 1819 // a validate_password policy, or a MariaDB plugin
	MustChangePassword   = 1820
	ReadOnlyMode         = 1836
	PasswordExpired      = 1862
	AccountLocked        = 3118
	TLSRequired          = 3159
	PasswordReused       = 3638 // the password history or reuse interval
	EmptyPassword        = 3878 // an empty password is not retained
	NotCurrentPassword   = 3891 // REPLACE did not name the primary password
	MustNamePassword     = 3892 // there is no REPLACE, and password_require_current is on
	PluginChanges        = 3894 // a password is not retained when the plugin changes
	TemporarilyLocked    = 3955 // by FAILED_LOGIN_ATTEMPTS
	TooManyWrongLogins   = 4150 // MariaDB: max_password_errors
	AccountLockedMariaDB = 4151
	TooFewChanges        = 4165 // validate_password.changed_characters_percentage
)

// A Number is a server error without its text.
type Number uint16

func (n Number) Error() string { return fmt.Sprintf("MySQL error %d", uint16(n)) }

// NumberOf returns the number of the server error in err; false if there is none.
func NumberOf(err error) (uint16, bool) {
	if n, ok := errors.AsType[Number](err); ok {
		return uint16(n), true
	}
	if inServer, ok := errors.AsType[*driver.MySQLError](err); ok {
		return inServer.Number, true
	}
	return 0, false
}

// Is reports whether err is the server error with that number.
func Is(err error, number uint16) bool {
	n, ok := NumberOf(err)
	return ok && n == number
}
