package mauticserver

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// user is who signs in; the zero one is nobody.
type user struct {
	id    int64
	name  string
	hash  string
	admin bool
}

// user finds who a login is for, by user name or e-mail address. There is
// nobody where the user is not published.
func (t tablesOf) user(ctx context.Context, name string) (user, error) {
	var u user
	err := t.row(ctx, `SELECT u.id, u.username, u.password, r.is_admin FROM {users} u JOIN {roles} r ON r.id = u.role_id
		WHERE (u.username = ? OR u.email = ?) AND u.is_published = 1`, []any{name, name}, &u.id, &u.name, &u.hash, &u.admin)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, nil
	}
	return u, err
}

func (u user) letsIn(password string) bool { return u.id != 0 && Matches(u.hash, password) }

// comparisons are what Matches has found: bcrypt is slow by design.
var comparisons sync.Map

// Matches tells whether a hash, as Mautic keeps it, is one of a password. bcrypt
// does not mind whether it begins with $2y$, as PHP writes it, or with $2a$.
func Matches(hash, password string) bool {
	pair := sha256.Sum256([]byte(hash + "\n" + password))
	if known, ok := comparisons.Load(pair); ok {
		return known.(bool)
	}
	matches := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	comparisons.Store(pair, matches)
	return matches
}
