package mauticserver

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// A Seed is what is in the tables at first. Empty fields get the defaults that
// their comments name.
type Seed struct {
	AdminUser     string // "admin"; the e-mail address is this, @example.com
	AdminPassword string // "admin-password-of-the-seed"
	HashCost      int    // bcrypt's; 4, which is quick (Mautic uses 13)

	ClientName     string // "integration"
	ClientRandomID string // "3bcbxd9e24g0gk4swg0kwgcwg4o8k8g4g888kwc44gcc0gwwk4"
	ClientSecret   string // "secretofseed"

	Hooks       []string // the names of webhooks: "contacts", "emails"
	HookSecret  string   // of all of them: 64 hexadecimal digits
	WithoutRole bool     // the client has none, so that Mautic fails with its tokens
}

func (s *Seed) fill() {
	for field, value := range map[*string]string{
		&s.AdminUser:      "admin",
		&s.AdminPassword:  "admin-password-of-the-seed",
		&s.ClientName:     "integration",
		&s.ClientRandomID: "3bcbxd9e24g0gk4swg0kwgcwg4o8k8g4g888kwc44gcc0gwwk4",
		&s.ClientSecret:   "secretofseed",
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

// tables are those of Mautic 5.1 that a credential is in, with the columns that
// matter to it. P stands for the prefix.
var tables = []string{
	`roles (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, is_published TINYINT(1) NOT NULL, name VARCHAR(191) NOT NULL,
		is_admin TINYINT(1) NOT NULL, readable_permissions LONGTEXT NOT NULL)`,
	`users (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, role_id INT UNSIGNED NOT NULL, is_published TINYINT(1) NOT NULL,
		date_modified DATETIME NULL, username VARCHAR(191) NOT NULL UNIQUE, email VARCHAR(191) NOT NULL UNIQUE, password VARCHAR(64) NOT NULL,
		first_name VARCHAR(191) NOT NULL, last_name VARCHAR(191) NOT NULL, FOREIGN KEY (role_id) REFERENCES P.roles (id))`,
	`oauth2_clients (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, role_id INT UNSIGNED NULL, name VARCHAR(191) NOT NULL,
		random_id VARCHAR(191) NOT NULL, secret VARCHAR(191) NOT NULL, redirect_uris LONGTEXT NOT NULL, allowed_grant_types LONGTEXT NOT NULL,
		INDEX (random_id), FOREIGN KEY (role_id) REFERENCES P.roles (id))`,
	`oauth2_accesstokens (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client_id INT UNSIGNED NOT NULL, user_id INT UNSIGNED NULL,
		token VARCHAR(191) NOT NULL UNIQUE, expires_at BIGINT NULL, scope VARCHAR(191) NULL,
		FOREIGN KEY (client_id) REFERENCES P.oauth2_clients (id) ON DELETE CASCADE, FOREIGN KEY (user_id) REFERENCES P.users (id) ON DELETE CASCADE)`,
	`oauth2_refreshtokens (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client_id INT UNSIGNED NOT NULL, user_id INT UNSIGNED NOT NULL,
		token VARCHAR(191) NOT NULL UNIQUE, expires_at BIGINT NULL, scope VARCHAR(191) NULL,
		FOREIGN KEY (client_id) REFERENCES P.oauth2_clients (id) ON DELETE CASCADE, FOREIGN KEY (user_id) REFERENCES P.users (id) ON DELETE CASCADE)`,
	`webhooks (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, category_id INT UNSIGNED NULL, is_published TINYINT(1) NOT NULL,
		name VARCHAR(191) NOT NULL, webhook_url LONGTEXT NOT NULL, secret VARCHAR(191) NOT NULL)`,
}

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
	seed.fill()
	hash, err := hashOf(seed.AdminPassword, seed.HashCost)
	if err != nil {
		return seed, err
	}
	at := fmt.Sprintf("`%s`.`%s", database, prefix)
	run := func(statement string, args ...any) {
		if err == nil {
			_, err = db.ExecContext(ctx, statement, args...)
		}
	}
	for _, table := range tables {
		name, columns, _ := strings.Cut(table, " ")
		for _, referred := range []string{"roles", "users", "oauth2_clients"} {
			columns = strings.ReplaceAll(columns, "P."+referred, at+referred+"`")
		}
		run("CREATE TABLE " + at + name + "` " + columns + " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	}
	run("INSERT INTO " + at + "roles` (id, is_published, name, is_admin, readable_permissions) VALUES (1, 1, 'Administrators', 1, 'N;'), (2, 1, 'Editors', 0, 'N;')")
	run("INSERT INTO "+at+"users` (role_id, is_published, username, email, password, first_name, last_name) VALUES (1, 1, ?, ?, ?, 'Ada', 'Admin')",
		seed.AdminUser, seed.AdminUser+"@example.com", hash)
	run("INSERT INTO "+at+"oauth2_clients` (id, role_id, name, random_id, secret, redirect_uris, allowed_grant_types) VALUES (1, ?, ?, ?, ?, ?, ?)",
		sql.NullInt64{Int64: 1, Valid: !seed.WithoutRole}, seed.ClientName, seed.ClientRandomID, seed.ClientSecret,
		`a:1:{i:0;s:19:"https://example.com";}`, `a:3:{i:0;s:18:"authorization_code";i:1;s:13:"refresh_token";i:2;s:18:"client_credentials";}`)
	for _, hook := range seed.Hooks {
		run("INSERT INTO "+at+"webhooks` (is_published, name, webhook_url, secret) VALUES (1, ?, 'https://receiver.example.com', ?)", hook, seed.HookSecret)
	}
	if err != nil {
		return seed, fmt.Errorf("make Mautic's tables in %s: %w", database, err)
	}
	return seed, nil
}
