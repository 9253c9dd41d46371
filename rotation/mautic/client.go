package mautic

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clientID is how Mautic knows an OAuth2 client: by the id of its row and its
// random_id. Its public form, which callers send, is "{id}_{random_id}".
type clientID struct {
	id     int64
	random string
}

func (c clientID) String() string { return fmt.Sprintf("%d_%s", c.id, c.random) }

// The id is an unsigned INT, and starts with no zero, so that each client has
// one public form.
var publicID = regexp.MustCompile(`^([1-9][0-9]{0,9})_([A-Za-z0-9]{1,191})$`)

func parseClientID(public string) (clientID, error) {
	if parts := publicID.FindStringSubmatch(public); parts != nil {
		if id, err := strconv.ParseInt(parts[1], 10, 64); err == nil && id <= math.MaxUint32 {
			return clientID{id, parts[2]}, nil
		}
	}
	return clientID{}, errors.New(`it is not the public key of an API client, which looks like "1_3bcbxd9e24…" in Mautic (Settings, API Credentials)`)
}

// standbyRandomID is the random_id of a client's standby. The two clients that
// alternate belong together by it, and by nothing that a person may edit, or
// that another client may have by chance: names are neither unique nor stable.
// It is no secret: public ids never are.
//
// Since it follows from the client alone, every Generate chooses the same one,
// however many there are and whatever became of the ones before.
func standbyRandomID(of clientID) string {
	sum := sha256.Sum256([]byte("mautic-rotation standby of " + of.String()))
	return hex.EncodeToString(sum[:])[:48]
}

// paired reports whether one of two clients is the other's standby.
func paired(a, b clientID) bool {
	return standbyRandomID(a) == b.random || standbyRandomID(b) == a.random
}

// newClientSecret makes a secret of capitals and digits, with 260 bits.
func newClientSecret() string { return rand.Text() + rand.Text() }

var clientTables = []string{"oauth2_clients", "oauth2_accesstokens", "oauth2_refreshtokens"}

// tokenTables are the tables of what Mautic has issued.
var tokenTables = clientTables[1:]

// clientRow is a row of Mautic's oauth2_clients.
type clientRow struct {
	clientID
	name, secret string
	hasRole      bool
}

// client reads a client. There is none if the id belongs to another client.
func (s *store) client(ctx context.Context, c clientID) (row clientRow, found bool, err error) {
	var role sql.NullInt64
	err = s.row(ctx, "SELECT id, random_id, name, secret, role_id FROM {oauth2_clients} WHERE id = ? AND random_id = CAST(? AS BINARY)", []any{c.id, c.random},
		&row.id, &row.random, &row.name, &row.secret, &role)
	row.hasRole = role.Valid
	if errors.Is(err, errNoRow) {
		return clientRow{}, false, nil
	}
	return row, err == nil, err
}

// standby returns the client that alternates with the current one. Where there
// is none yet, it chooses the id of the row that Set is to insert.
//
// The id has to be chosen here, for it is part of the public id, which is in
// the document before anything is set; and an INSERT that leaves the choice to
// AUTO_INCREMENT tells it only afterwards. It is some way above the greatest
// one: people who add clients in the meantime get the ids that follow that one
// directly, and another secret's rotation would have to draw the same number.
// Should the id be taken all the same, Set finds another random_id there,
// changes nothing, and the next rotation chooses again. AUTO_INCREMENT goes on
// above the new id, once for each pair of clients.
func (s *store) standby(ctx context.Context, current clientID) (clientID, error) {
	var greatest int64
	var original, made []clientID
	wanted := standbyRandomID(current)
	err := s.rows(ctx, "SELECT id, random_id FROM {oauth2_clients} ORDER BY id", nil, func(scan func(...any) error) error {
		var c clientID
		if err := scan(&c.id, &c.random); err != nil {
			return err
		}
		greatest = max(greatest, c.id)
		switch {
		case c == current:
		case standbyRandomID(c) == current.random:
			original = append(original, c)
		case c.random == wanted:
			made = append(made, c)
		}
		return nil
	})
	if err != nil {
		return clientID{}, err
	}
	switch {
	case len(original) == 1: // the current client is itself a standby that was made
		return original[0], nil
	case len(original) == 0 && len(made) == 1:
		return made[0], nil
	case len(original) > 1 || len(made) > 1:
		return clientID{}, fmt.Errorf("there are several standby clients of %s in Mautic (%v): delete all that no version of the secret names (Settings, API Credentials)", current, slices.Concat(original, made))
	}
	const least, spread = 100, 1000
	offset, err := rand.Int(rand.Reader, big.NewInt(spread))
	if err != nil {
		return clientID{}, err
	}
	return clientID{greatest + least + offset.Int64(), wanted}, nil
}

// nameSuffix is for people who look at the list of clients. Nothing here goes
// by it.
const nameSuffix = " (rotation)"

// writeStandby makes the standby client have a secret, and the role, grants and
// redirects of the current one. The row is inserted where it is missing; it may
// be called any number of times, by one at a time.
func (s *store) writeStandby(ctx context.Context, standby, current clientID, secret string) error {
	row, found, err := s.client(ctx, standby)
	if err != nil {
		return err
	}
	if found {
		if row.secret != secret {
			if err := s.clear(ctx, row); err != nil {
				return err
			}
		}
		// One statement: no moment in which the secret is new and the role old.
		return s.exec(ctx, `UPDATE {oauth2_clients} s JOIN {oauth2_clients} c ON c.id = ?
			SET s.secret = ?, s.role_id = c.role_id, s.redirect_uris = c.redirect_uris, s.allowed_grant_types = c.allowed_grant_types
			WHERE s.id = ? AND s.random_id = CAST(? AS BINARY)`, current.id, secret, standby.id, standby.random)
	}
	var other int64
	err = s.row(ctx, "SELECT id FROM {oauth2_clients} WHERE id = ? OR random_id = ? LIMIT 1", []any{standby.id, standby.random}, &other)
	switch {
	case err == nil && other == standby.id:
		return fmt.Errorf("the id %d, which was chosen for the standby client, now belongs to another client; nothing was changed: start a new rotation, which chooses another id", standby.id)
	case err == nil:
		return fmt.Errorf("there is a standby client from another rotation in Mautic, with the id %d; nothing was changed: start a new rotation, which uses that client", other)
	case !errors.Is(err, errNoRow):
		return err
	}
	return s.exec(ctx, `INSERT INTO {oauth2_clients} (id, role_id, name, random_id, secret, redirect_uris, allowed_grant_types)
		SELECT ?, role_id, CONCAT(LEFT(name, 170), '`+nameSuffix+`'), ?, ?, redirect_uris, allowed_grant_types FROM {oauth2_clients} WHERE id = ?`,
		standby.id, standby.random, secret, current.id)
}

// takenAway is the prefix of a retired client's secret, so that Restore can tell it from one that
// another rotation has set. The secrets made here have no lower-case letters.
const takenAway = "takenaway"

// clear ends what was issued to a client under its last secret, and stops anything more from
// being issued. Usually retiring it has done that; in an emergency its overlap may still be open.
func (s *store) clear(ctx context.Context, row clientRow) error {
	if !strings.HasPrefix(row.secret, takenAway) {
		if err := s.swapSecret(ctx, row.clientID, row.secret, takenAway+newClientSecret()); err != nil {
			return err
		}
	}
	return s.deleteTokens(ctx, "client_id", row.id)
}

// swapSecret replaces a client's secret, unless someone has changed it in the meantime. It
// compares bytes: the column's own collation would treat a and A as equal.
func (s *store) swapSecret(ctx context.Context, c clientID, from, to string) error {
	return s.exec(ctx, "UPDATE {oauth2_clients} SET secret = ? WHERE id = ? AND random_id = CAST(? AS BINARY) AND secret = CAST(? AS BINARY)", to, c.id, c.random, from)
}

// deleteTokens ends what was issued: to a client (client_id), or for a user
// (user_id).
func (s *store) deleteTokens(ctx context.Context, column string, id int64) error {
	for _, table := range tokenTables {
		if err := s.exec(ctx, fmt.Sprintf("DELETE FROM {%s} WHERE %s = ?", table, column), id); err != nil {
			return err
		}
	}
	return nil
}

// tokensSince counts the access tokens that were issued to a client at that
// second or later, by the clock of Mautic, which stores when a token expires,
// and not when it was issued.
func (s *store) tokensSince(ctx context.Context, c clientID, since time.Time, lifetime time.Duration) (n int, err error) {
	err = s.row(ctx, "SELECT COUNT(*) FROM {oauth2_accesstokens} WHERE client_id = ? AND expires_at >= ?", []any{c.id, since.Add(lifetime).Unix()}, &n)
	return n, err
}
