package mauticserver

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// A Seed is what is in the tables at first. Empty fields get the defaults that
// their comments name.
type Seed struct {
	Version Version // of the tables

	AdminUser     string // "admin"; the e-mail address is this, @example.com
	AdminPassword string // "admin-password-of-the-seed"
	HashCost      int    // bcrypt's; 4, which is quick (Mautic uses 13)

	ClientName     string // "integration"
	ClientRandomID string // "3bcbxd9e24g0gk4swg0kwgcwg4o8k8g4g888kwc44gcc0gwwk4"
	ClientSecret   string // "secretofseed"

	Hooks       []string // the names of webhooks: "contacts", "emails"
	HookSecret  string   // of all of them: 64 hexadecimal digits
	Receiver    string   // where they deliver to: "https://receiver.example.com"
	WithoutRole bool     // the client has none, so that Mautic fails with its tokens
}

func (s *Seed) fill() {
	for field, value := range map[*string]string{
		&s.AdminUser:      "admin",
		&s.AdminPassword:  "admin-password-of-the-seed",
		&s.ClientName:     "integration",
		&s.ClientRandomID: "3bcbxd9e24g0gk4swg0kwgcwg4o8k8g4g888kwc44gcc0gwwk4",
		&s.ClientSecret:   "secretofseed",
		&s.Receiver:       "https://receiver.example.com",
		&s.HookSecret:     strings.Repeat("0123456789abcdef", 4),
	} {
		if *field == "" {
			*field = value
		}
	}
	if s.Hooks == nil {
		s.Hooks = []string{"contacts", "emails"}
	}
	if s.HashCost == 0 {
		s.HashCost = bcrypt.MinCost
	}
}

// PublicClientID is the id by which the seed's client is known: Mautic's
// client_id is the row's id, 1, and its random_id.
func (s Seed) PublicClientID() string { return "1_" + s.ClientRandomID }

// hashes are what hashOf has made.
var hashes sync.Map

// hashOf returns a password's hash as PHP writes it. It is made once for each
// cost: tests make tables by the hundred, and bcrypt is slow by design.
func hashOf(password string, cost int) (string, error) {
	type key struct {
		password string
		cost     int
	}
	if known, ok := hashes.Load(key{password, cost}); ok {
		return known.(string), nil
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", err
	}
	hash[2] = 'y'
	hashes.Store(key{password, cost}, string(hash))
	return string(hash), nil
}

// Schema creates Mautic's tables with a prefix in a database, and puts the seed
// into them: an administrator, a role, an OAuth2 client with the id 1, and
// webhooks. It returns the seed with its defaults filled in.
func Schema(ctx context.Context, db *sql.DB, database, prefix string, seed Seed) (Seed, error) {
	version, err := seed.Version.checked()
	if err != nil {
		return seed, err
	}
	s := &script{ctx: ctx, db: db, at: fmt.Sprintf("`%s`.`%s", database, prefix)}
	for _, table := range tables(version) {
		s.run("CREATE TABLE {" + strings.Replace(table, " ", "} ", 1) + " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	}
	return s.fill(seed)
}

// Refill puts the seed into tables that Schema has made before, as the same
// version's, in place of all that they hold. It is much quicker than new tables.
func Refill(ctx context.Context, db *sql.DB, database, prefix string, seed Seed) (Seed, error) {
	version, err := seed.Version.checked()
	if err != nil {
		return seed, err
	}
	s := &script{ctx: ctx, db: db, at: fmt.Sprintf("`%s`.`%s", database, prefix)}
	all := tables(version)
	for _, table := range slices.Backward(all) { // what refers to another comes after it
		name, _, _ := strings.Cut(table, " ")
		s.run("DELETE FROM {" + name + "}")
	}
	return s.fill(seed)
}

// script runs statements, up to the first that fails. A name in braces is that of
// a table.
type script struct {
	ctx context.Context
	db  *sql.DB
	at  string // what is before a table's name
	err error
}

func (s *script) run(statement string, args ...any) {
	if s.err == nil {
		_, s.err = s.db.ExecContext(s.ctx, strings.NewReplacer("{", s.at, "}", "`").Replace(statement), args...)
	}
}

func (s *script) fill(seed Seed) (Seed, error) {
	seed.fill()
	hash, err := hashOf(seed.AdminPassword, seed.HashCost)
	if err != nil {
		return seed, err
	}
	s.run("INSERT INTO {roles} (id, is_published, name, is_admin, readable_permissions) VALUES (1, 1, 'Administrators', 1, 'N;'), (2, 1, 'Editors', 0, 'N;')")
	s.run("INSERT INTO {users} (id, role_id, is_published, username, email, password, first_name, last_name) VALUES (1, 1, 1, ?, ?, ?, 'Ada', 'Admin')",
		seed.AdminUser, seed.AdminUser+"@example.com", hash)
	s.run("INSERT INTO {oauth2_clients} (id, role_id, name, random_id, secret, redirect_uris, allowed_grant_types) VALUES (1, ?, ?, ?, ?, ?, ?)",
		sql.NullInt64{Int64: 1, Valid: !seed.WithoutRole}, seed.ClientName, seed.ClientRandomID, seed.ClientSecret, seedRedirects, seedGrants)
	for i, hook := range seed.Hooks {
		s.run("INSERT INTO {webhooks} (id, is_published, name, webhook_url, secret) VALUES (?, 1, ?, ?, ?)", i+1, hook, seed.Receiver, seed.HookSecret)
	}
	s.run("INSERT INTO {webhook_events} (id, webhook_id, event_type) SELECT id, id, ? FROM {webhooks}", HookEvent)
	if s.err != nil {
		return seed, fmt.Errorf("make Mautic's tables at %s: %w", s.at, s.err)
	}
	return seed, nil
}

// What the seed's client has, as PHP serializes it.
const (
	seedRedirects = `a:1:{i:0;s:19:"https://example.com";}`
	seedGrants    = `a:3:{i:0;s:18:"authorization_code";i:1;s:13:"refresh_token";i:2;s:18:"client_credentials";}`
)
