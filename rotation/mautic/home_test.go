package mautic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/mysqlserver"
)

// home is a database with the tables of one version of Mautic, and the account
// that owns it. To make one takes ten times as long as most tests do, so tests hand
// them on. One that a test has altered is left, for the server's end.
type home struct {
	server         *mysqlserver.Server
	version        mauticserver.Version
	database       string
	user, password string // who owns it
	prefix         string
	altered        *atomic.Bool // in its tables or the account's privileges
}

// dataOnly are the statements that leave a home as it was, but for the rows.
var dataOnly = regexp.MustCompile(`^(SELECT|INSERT|UPDATE|DELETE|REPLACE) `)

// given are the homes that were given back.
var given struct {
	mu    sync.Mutex
	homes []home
}

// homeFor returns a home with a seed.
func homeFor(ctx context.Context, server *mysqlserver.Server, seed mauticserver.Seed) (home, mauticserver.Seed, error) {
	if h, found := takeHome(server, seed.Version); found {
		seed, err := mauticserver.Refill(ctx, server.Admin(), h.database, h.prefix, seed)
		return h, seed, err
	}
	id := strings.ToLower(rand.Text()[:12])
	h := home{server, seed.Version, "d_" + id, "u_" + id, rand.Text(), "m_", &atomic.Bool{}}
	_, err := server.Admin().ExecContext(ctx, "CREATE DATABASE "+h.database)
	if err == nil {
		err = server.CreateUser(ctx, h.user, "%", h.password, "ALL ON "+h.database+".*")
	}
	if err != nil {
		return home{}, seed, err
	}
	seed, err = mauticserver.Schema(ctx, server.Admin(), h.database, h.prefix, seed)
	return h, seed, err
}

func takeHome(server *mysqlserver.Server, version mauticserver.Version) (home, bool) {
	given.mu.Lock()
	defer given.mu.Unlock()
	for i, h := range given.homes {
		if h.server == server && h.version == version {
			given.homes = append(given.homes[:i], given.homes[i+1:]...)
			return h, true
		}
	}
	return home{}, false
}

// giveBack hands the home on, when nothing is connected to it any more: a
// connection that a test has cut off may still hold a lock.
func (h home) giveBack() error {
	if h.altered.Load() {
		return nil
	}
	ctx := context.Background()
	rows, err := h.server.Admin().QueryContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?", h.user)
	if err != nil {
		return err
	}
	defer rows.Close()
	var left []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		left = append(left, id)
	}
	for _, id := range left {
		// It may have gone by itself meanwhile (1094).
		if _, err := h.server.Admin().ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err != nil && !strings.Contains(err.Error(), "1094") {
			return err
		}
	}
	given.mu.Lock()
	defer given.mu.Unlock()
	given.homes = append(given.homes, h)
	return errors.Join(rows.Err(), rows.Close())
}
