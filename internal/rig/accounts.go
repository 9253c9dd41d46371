package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/mysqlserver"
)

// AdminSecretName is the name of the administrator's secret.
const AdminSecretName = "mautic-prod-database-admin"

// dualPrivilege lets a MySQL account retain a second password for itself.
const dualPrivilege = "APPLICATION_PASSWORD_ADMIN ON *.*"

// Privileges are the account's privileges according to the documentation, on MySQL.
var Privileges = []string{dualPrivilege, "SELECT (User, Host) ON mysql.user", "SELECT ON performance_schema.error_log"}

// AdminPrivileges are those needed to rotate another account's password: to change it,
// to read the accounts' entries, and on MySQL to see who logs in with an old password.
func AdminPrivileges(series mysqlserver.Series) []string {
	if series.IsMariaDB() {
		return []string{"CREATE USER ON *.*", "SELECT ON mysql.*"}
	}
	return []string{"CREATE USER ON *.*", "SELECT ON mysql.*", "SELECT ON performance_schema.error_log"}
}

// defaultPrivileges are the account's privileges unless Options has others. On MariaDB
// there are none, since the documentation asks for none. With an administrator, a
// rotation must not depend on the account's own privileges.
func defaultPrivileges(series mysqlserver.Series, adminSecret bool) []string {
	switch {
	case series.IsMariaDB():
		return nil
	case adminSecret:
		return slices.DeleteFunc(slices.Clone(Privileges), func(p string) bool { return p == dualPrivilege })
	default:
		return Privileges
	}
}

// createAccounts creates the database, its account and, if needed, the administrator.
func (r *Rig) createAccounts(ctx context.Context) error {
	if _, err := r.MySQL.Admin().ExecContext(ctx, "CREATE DATABASE "+r.Database); err != nil {
		return err
	}
	privileges := append([]string{"ALL ON " + r.Database + ".*"}, r.options.Privileges...)
	if err := r.MySQL.CreateUser(ctx, r.User, "%", r.Password, privileges...); err != nil {
		return err
	}
	if r.AdminUser == "" {
		return nil
	}
	return r.MySQL.CreateUser(ctx, r.AdminUser, "%", r.AdminPassword, AdminPrivileges(r.MySQL.Series())...)
}

// dropAccounts undoes createAccounts.
func (r *Rig) dropAccounts() error {
	// Not a caller's context: a cancelled one would leave the accounts behind.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	statements := []string{"DROP USER IF EXISTS '" + r.User + "'@'%'", "DROP DATABASE IF EXISTS " + r.Database}
	if r.AdminUser != "" {
		statements = append(statements, "DROP USER IF EXISTS '"+r.AdminUser+"'@'%'")
	}
	var faults []error
	for _, statement := range statements {
		_, err := r.MySQL.Admin().ExecContext(ctx, statement)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// adminDocument is the administrator's secret, in AWS's layout.
func (r *Rig) adminDocument() string {
	engine := strings.ToLower(r.MySQL.Series().Make()) // as AWS names it
	return fmt.Sprintf(`{"engine":%q,"host":%q,"port":%d,"username":%q,"password":%q}`,
		engine, r.options.DatabaseHost, r.options.DatabasePort, r.AdminUser, r.AdminPassword)
}
