package mautic

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/password"
)

// AdminLayout are the places in the document of an administrator's
// credentials. Only Password is one that a rotation changes. The user is named
// by User or by Email, of which Mautic takes either for a login; a user name
// that is not empty is preferred.
type AdminLayout struct {
	Password, User, Email document.Pointer
}

// RunbookAdminLayout is the default.
var RunbookAdminLayout = AdminLayout{
	Password: "/admin_credentials/admin_password",
	User:     "/admin_credentials/admin_username",
	Email:    "/admin_credentials/admin_email",
}

// AdminConfig applies to all secrets of a function.
type AdminConfig struct {
	Access

	// Passwords says what new passwords look like: of at least 20 characters.
	// The zero Policy means 32 of password.DefaultAlphabet.
	Passwords password.Policy

	// Layout's empty fields mean those of RunbookAdminLayout.
	Layout AdminLayout

	// HashCost is bcrypt's: each step doubles the time, for the function and for Mautic at every
	// login. 0 means DefaultHashCost.
	HashCost int
}

const (
	// minAdminLength is the length from which Mautic's login form always accepts a random
	// password as strong (a zxcvbn score of 3 or more).
	minAdminLength = 20
	// maxBcrypt is how many bytes of a password bcrypt uses.
	maxBcrypt = 72
	// DefaultHashCost is bcrypt's. Mautic uses 13, which takes 0.55 s of a core's time
	// where this was measured, and 12 takes 0.28 s. A Lambda function with
	// 256 MB has a seventh of a core, and pays several times in one step; each
	// call with basic authentication pays, too. What is hashed is random, with
	// over 100 bits, so it is not the cost that protects it.
	DefaultHashCost = 12
)

// Admin is the credential kind "admin": the password of one of Mautic's
// administrators. Mautic keeps one bcrypt hash, so it accepts one password at
// a time; open sessions of the user end with the change. Use NewAdmin.
type Admin struct {
	config AdminConfig
}

var _ credential.Kind = (*Admin)(nil)

// NewAdmin returns the kind. It makes no connection yet.
func NewAdmin(c AdminConfig) *Admin {
	c.Layout.Password = cmp.Or(c.Layout.Password, RunbookAdminLayout.Password)
	c.Layout.User = cmp.Or(c.Layout.User, RunbookAdminLayout.User)
	c.Layout.Email = cmp.Or(c.Layout.Email, RunbookAdminLayout.Email)
	if c.Passwords == (password.Policy{}) {
		policy, err := password.NewPolicy(password.DefaultLength, password.DefaultAlphabet)
		if err != nil {
			panic(err) // the defaults are valid
		}
		c.Passwords = policy
	}
	if c.HashCost == 0 {
		c.HashCost = DefaultHashCost
	}
	return &Admin{config: c}
}

// Name returns "admin".
func (k *Admin) Name() string { return "admin" }

// NeedsRestart is false: Mautic reads the hash at each login.
func (k *Admin) NeedsRestart() bool { return false }

// Fields returns the place of the password.
func (k *Admin) Fields(d document.Document) ([]document.Pointer, error) {
	return fieldsOf(d, k.config.Layout.Password)
}

// fieldsOf returns those of the places where d has a string, and none if it has none at the
// first.
func fieldsOf(d document.Document, places ...document.Pointer) (fields []document.Pointer, err error) {
	for i, p := range places {
		found, err := d.Has(p)
		if err != nil {
			return nil, err
		}
		if !found && i == 0 {
			return nil, nil
		}
		if !found {
			continue
		}
		if _, err := d.Text(p); err != nil {
			return nil, err
		}
		fields = append(fields, p)
	}
	return fields, nil
}

// Generate gives the document a new password. It fails if a rotation would: if Mautic cannot be
// reached, or the user's password must not be rotated.
func (k *Admin) Generate(ctx context.Context, g credential.Generation) (document.Document, error) {
	if err := credential.FirstProblem(k.Preflight(ctx, g.Current)); err != nil {
		return document.Document{}, err
	}
	return g.Current.Replace(k.config.Layout.Password, k.config.Passwords.Generate())
}

// login is who signs in.
type login struct{ user, password string }

func (k *Admin) login(d document.Document) (l login, err error) {
	if l.password, err = d.Text(k.config.Layout.Password); err != nil {
		return login{}, err
	}
	for _, p := range []document.Pointer{k.config.Layout.User, k.config.Layout.Email} {
		if l.user != "" {
			break
		}
		if l.user, err = d.Text(p); err != nil && !errors.Is(err, document.ErrMissing) {
			return login{}, err
		}
	}
	if l.user == "" {
		return login{}, fmt.Errorf("the secret does not say whose password it is: add the user's name as field %s, or the e-mail address as %s", k.config.Layout.User, k.config.Layout.Email)
	}
	return l, nil
}

// logins reads both sides of a change, which may differ only in the password.
func (k *Admin) logins(c credential.Change) (current, pending login, err error) {
	if current, err = k.login(c.Current); err != nil {
		return login{}, login{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if pending, err = k.login(c.Pending); err != nil {
		return login{}, login{}, fmt.Errorf("AWSPENDING: %w", err)
	}
	if current.user != pending.user {
		return login{}, login{}, errors.New("AWSPENDING names another Mautic user than AWSCURRENT, but a rotation changes only the password: start a new rotation, which begins from AWSCURRENT")
	}
	if n := len(pending.password); n == 0 || n > maxBcrypt {
		return login{}, login{}, fmt.Errorf("the AWSPENDING password has %d bytes, and Mautic's hash takes 1 to %d: start a new rotation", n, maxBcrypt)
	}
	return current, pending, nil
}

// adminTables are the tables of this kind. If several prefixes have a table users, the other
// table shows which is Mautic's.
var adminTables = []string{"users", "roles"}

// adminUser is a row of Mautic's users.
type adminUser struct {
	id   int64
	hash string
}

// matches reports whether Mautic would accept the password for this user.
// golang.org/x/crypto/bcrypt ignores the letter in $2y$.
func (u adminUser) matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(u.hash), []byte(password)) == nil
}

// find returns the user that a login with this name, or e-mail address, belongs to, and refuses
// one whose password must not be rotated here.
func (k *Admin) find(ctx context.Context, s *store, name string) (adminUser, error) {
	var found []adminUser
	var published, admin bool
	err := s.rows(ctx, `SELECT u.id, u.password, u.is_published, COALESCE(r.is_admin, 0)
		FROM {users} u LEFT JOIN {roles} r ON r.id = u.role_id WHERE u.username = ? OR u.email = ? ORDER BY u.id`,
		[]any{name, name}, func(scan func(...any) error) error {
			var u adminUser
			err := scan(&u.id, &u.hash, &published, &admin)
			found = append(found, u)
			return err
		})
	switch {
	case err != nil:
		return adminUser{}, err
	case len(found) == 0:
		return adminUser{}, credential.Failf(credential.Denied, "there is no user %q in Mautic: correct field %s, or create the user", name, k.config.Layout.User)
	case len(found) > 1:
		return adminUser{}, fmt.Errorf("%q is the name of one Mautic user and the e-mail address of another, so the function cannot tell whose password it is: rename one of them", name)
	case !published:
		return adminUser{}, credential.Failf(credential.Locked, "the Mautic user %q is not published, so Mautic accepts no login from it: publish the user (Settings, Users)", name)
	case !admin:
		return adminUser{}, fmt.Errorf("the Mautic user %q is not an administrator, and the admin credential must be one's: give the user a role with full system access (Settings, Roles), or correct field %s", name, k.config.Layout.User)
	}
	return found[0], nil
}

// attempts is how often something is read again that someone else has changed in between.
const attempts = 3

// errMoving says that a compare-and-swap has found a different value each time.
var errMoving = errors.New("something else is changing it at the same time: try again, and find out what")

// Set writes the hash of the pending password. See credential.Target: Mautic accepts one
// password, so it refuses the current one from then on. The user's date_modified stays, because
// it is for edits by people.
func (k *Admin) Set(ctx context.Context, c credential.Change) error {
	current, pending, err := k.logins(c)
	if err != nil {
		return err
	}
	s, err := k.config.open(ctx, adminTables, c.Current, c.Pending)
	if err != nil {
		return err
	}
	defer s.close()
	return k.swap(ctx, s, pending, c.Confirm, func(user adminUser) error {
		if !user.matches(current.password) {
			// Of a rotation that was given up, or set by hand. To leave it would
			// leave AWSCURRENT refused for good.
			c.Log.Warn("the user's password in Mautic was not the one in AWSCURRENT, and was replaced", "user", pending.user)
		}
		return nil
	})
}

// swap replaces the user's password, if replaceable allows that.
func (k *Admin) swap(ctx context.Context, s *store, to login, confirm func(context.Context) error, replaceable func(adminUser) error) error {
	if err := s.lockToChange(ctx, adminLock); err != nil {
		return err
	}
	newHash := ""
	for range attempts {
		user, err := k.find(ctx, s, to.user)
		if err != nil {
			return err
		}
		// To compare what has just been written costs nothing, and a hash of
		// the password a quarter of a second or more.
		if user.hash == newHash || user.matches(to.password) {
			return nil
		}
		if err := replaceable(user); err != nil {
			return err
		}
		if newHash == "" { // before Confirm, which is to come right before the write
			if newHash, err = k.hash(to.password); err != nil {
				return err
			}
		}
		if err := credential.Confirmed(ctx, confirm); err != nil {
			return err
		}
		if err := swapHash(ctx, s, user, newHash); err != nil {
			return err
		}
		// The next round reads back what is there now, whoever wrote it.
	}
	return k.readBack(ctx, s, to)
}

// swapHash replaces a hash, unless someone has changed it in the meantime. It compares bytes: the
// column's own collation would treat a and A as equal.
func swapHash(ctx context.Context, s *store, user adminUser, hash string) error {
	return s.exec(ctx, "UPDATE {users} SET password = ? WHERE id = ? AND password = CAST(? AS BINARY)", hash, user.id, user.hash)
}

// readBack fails unless the user's stored password is this one.
func (k *Admin) readBack(ctx context.Context, s *store, l login) error {
	user, err := k.find(ctx, s, l.user)
	if err != nil {
		return err
	}
	if !user.matches(l.password) {
		return credential.Failf(credential.Denied, "the password of the Mautic user %q is not the one in the secret: %w", l.user, errMoving)
	}
	return nil
}

// hash returns a password's hash in PHP's form, $2y$. Go's $2a$ means the same, and PHP would
// accept it, but does not recognise it as its own.
func (k *Admin) hash(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), k.config.HashCost)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	hash[2] = 'y'
	return string(hash), nil
}

// Route logs in to Mautic's database, which PutBack uses to set the password.
func (k *Admin) Route(ctx context.Context, c credential.Change) error {
	return k.config.reach(ctx, adminTables, c)
}

// PutBack sets the current password again if the user has the pending one.
func (k *Admin) PutBack(ctx context.Context, c credential.Change) error {
	current, pending, err := k.logins(c)
	if err != nil {
		return err
	}
	s, err := k.config.open(ctx, adminTables, c.Current, c.Pending)
	if err != nil {
		return err
	}
	defer s.close()
	return k.swap(ctx, s, current, c.Confirm, func(user adminUser) error {
		if !user.matches(pending.password) {
			return credential.Failf(credential.Denied, "the Mautic user %q has neither the AWSCURRENT nor the AWSPENDING password, so it was changed by hand: store the right one in the secret, or set that of AWSCURRENT in Mautic", current.user)
		}
		return nil
	})
}
