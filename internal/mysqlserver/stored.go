package mysqlserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// A Stored password is one as the server keeps it. Two are equal only if they were stored at once: MySQL salts them.
type Stored struct {
	plugin, hash string // the hash in hex, as MySQL's salts are bytes
}

// StoredPasswords are all that the account user@% accepts, from the server's own tables. An account that is not there has none.
func (s *Server) StoredPasswords(ctx context.Context, user string) ([]Stored, error) {
	query := `
		SELECT plugin, HEX(authentication_string) FROM mysql.user WHERE User = ? AND Host = '%'
		UNION ALL
		SELECT plugin, HEX(User_attributes->>'$.additional_password') FROM mysql.user
		WHERE User = ? AND Host = '%' AND User_attributes->>'$.additional_password' IS NOT NULL`
	if s.IsMariaDB() {
		// An entry of auth_or without a plugin stands for the outer one.
		query = `
		SELECT JSON_VALUE(Priv, '$.plugin'), HEX(JSON_VALUE(Priv, '$.authentication_string')) FROM mysql.global_priv WHERE User = ? AND Host = '%'
		UNION ALL
		SELECT plugin, HEX(hash) FROM mysql.global_priv,
			JSON_TABLE(Priv, '$.auth_or[*]' COLUMNS (plugin TEXT PATH '$.plugin', hash TEXT PATH '$.authentication_string')) AS entry
		WHERE User = ? AND Host = '%' AND plugin IS NOT NULL`
	}
	rows, err := s.admin.QueryContext(ctx, query, user, user)
	if err != nil {
		return nil, fmt.Errorf("reading the passwords of %s: %w", user, err)
	}
	defer rows.Close()
	var all []Stored
	for rows.Next() {
		var one Stored
		if err := rows.Scan(&one.plugin, &one.hash); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Is tells whether a password is the stored one.
func (s *Server) Is(ctx context.Context, stored Stored, password string) (bool, error) {
	if s.IsMariaDB() {
		var hash string
		err := s.admin.QueryRowContext(ctx, "SELECT HEX(PASSWORD(?))", password).Scan(&hash)
		return hash == stored.hash, err
	}
	// No function of MySQL hashes as its plugin does, so another account is given the hash.
	user := "same_" + rand.Text()[:16]
	if _, err := s.admin.ExecContext(ctx, fmt.Sprintf("CREATE USER ?@'%%' IDENTIFIED WITH %s AS 0x%s", stored.plugin, stored.hash), user); err != nil {
		return false, fmt.Errorf("making an account with a stored password: %w", err)
	}
	accepted := s.Accepts(ctx, user, password, "")
	_, dropped := s.admin.ExecContext(context.WithoutCancel(ctx), "DROP USER ?@'%'", user)
	const accessDenied = 1045
	var refusal *mysql.MySQLError
	if errors.As(accepted, &refusal) && refusal.Number == accessDenied {
		return false, dropped
	}
	return accepted == nil, errors.Join(accepted, dropped)
}
