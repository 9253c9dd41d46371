package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
)

// live knows the passwords that the account accepts, according to the server. One that
// is neither AWSCURRENT's nor in the journal would be accepted for ever.
type live struct {
	mu    sync.Mutex
	known map[mysqlserver.Stored]string // the password, by what the server stores
}

// check checks that each of the account's passwords is current, or in the journal as
// accepted.
func (l *live) check(ctx context.Context, r *rig.Rig) error {
	const attempts = 2 // a password, and then its version's entry, may disappear between the two reads
	var fault error
	for range attempts {
		if fault = l.checkOnce(ctx, r); fault == nil {
			return nil
		}
	}
	return fault
}

func (l *live) checkOnce(ctx context.Context, r *rig.Rig) error {
	// Read the account first: an entry is written before the account gets the password.
	stored, err := r.MySQL.StoredPasswords(ctx, r.User)
	if err != nil {
		return err
	}
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return err
	}
	accounted := map[string]bool{}
	for _, version := range state.Versions {
		if password, ok := passwordOf(version); ok && slices.ContainsFunc(version.Labels, accountsForPassword) {
			accounted[password] = true
		}
	}
	var faults []error
	for at, one := range stored {
		if held, err := l.among(ctx, r, accounted, one); err != nil || !held {
			faults = append(faults, errors.Join(fmt.Errorf("password %d of the %d that the account accepts is neither current nor in the journal", at+1, len(stored)), err))
		}
	}
	return errors.Join(faults...)
}

// accountsForPassword tells whether a version with this label may have an accepted
// password.
func accountsForPassword(label string) bool { return accountsFor("database", label) }

// accountsFor tells whether a version with this label may have an accepted value of the
// kind.
func accountsFor(kind, label string) bool {
	if label == "AWSCURRENT" {
		return true
	}
	parts := strings.Split(label, ";")
	return len(parts) > 3 && parts[0] == "rotation" && parts[1] == "2" && slices.ContainsFunc(parts[3:], func(part string) bool {
		state, ours := strings.CutPrefix(part, kind+"=")
		return ours && !strings.HasPrefix(state, "failed.") // failed means refused
	})
}

// among tells whether a stored password is one of those given. It asks the server only
// once for each password, since hashing is slow.
func (l *live) among(ctx context.Context, r *rig.Rig, passwords map[string]bool, stored mysqlserver.Stored) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if password, ok := l.known[stored]; ok {
		return passwords[password], nil
	}
	for password := range passwords {
		is, err := r.MySQL.Is(ctx, stored, password)
		if err != nil {
			return false, err
		}
		if is {
			l.known[stored] = password
			return true, nil
		}
	}
	return false, nil
}
