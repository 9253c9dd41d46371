package mysqltest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/mysqlserver"
)

// A Database is one of a test's own on a shared server, with an account that has all privileges on it.
type Database struct {
	Server               *mysqlserver.Server
	Name, User, Password string

	// Altered says that the test has changed more than rows: tables, or what the account may do.
	Altered atomic.Bool

	kind string
}

// handedOn are the databases that tests have left.
var handedOn struct {
	mu  sync.Mutex
	all []*Database
}

// DatabaseOf returns a database of a kind, which names the tables that it has. To make tables takes ten times as long as most tests
// do, so a database is handed on to the next test that asks for the kind, but for one that is Altered or whose test has failed. fill
// makes the tables of a new database, and replaces all rows of one that was handed on.
func DatabaseOf(tb testing.TB, server *mysqlserver.Server, kind string, fill func(d *Database, isNew bool) error) *Database {
	tb.Helper()
	d := takeDatabase(server, kind)
	isNew := d == nil
	if isNew {
		id := strings.ToLower(rand.Text()[:12])
		d = &Database{Server: server, Name: "d_" + id, User: "u_" + id, Password: rand.Text(), kind: kind}
		if err := d.create(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
	if err := fill(d, isNew); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if d.Altered.Load() || tb.Failed() {
			return // it goes with the server
		}
		if err := d.EndConnections(); err != nil {
			tb.Error(err)
			return
		}
		handedOn.mu.Lock()
		defer handedOn.mu.Unlock()
		handedOn.all = append(handedOn.all, d)
	})
	return d
}

func takeDatabase(server *mysqlserver.Server, kind string) *Database {
	handedOn.mu.Lock()
	defer handedOn.mu.Unlock()
	for i, d := range handedOn.all {
		if d.Server == server && d.kind == kind {
			handedOn.all = append(handedOn.all[:i], handedOn.all[i+1:]...)
			return d
		}
	}
	return nil
}

func (d *Database) create(ctx context.Context) error {
	if _, err := d.Server.Admin().ExecContext(ctx, "CREATE DATABASE "+d.Name); err != nil {
		return err
	}
	return d.Server.CreateUser(ctx, d.User, "%", d.Password, "ALL ON "+d.Name+".*")
}

// EndConnections ends what is connected as the account. One that a test has cut off may still hold a lock.
func (d *Database) EndConnections() error {
	ctx := context.Background()
	rows, err := d.Server.Admin().QueryContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?", d.User)
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		// It may have gone by itself meanwhile (1094).
		if _, err := d.Server.Admin().ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err != nil && !strings.Contains(err.Error(), "1094") {
			return err
		}
	}
	return rows.Err()
}
