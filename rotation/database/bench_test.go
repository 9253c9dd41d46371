package database

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/load"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

// Both benchmarks rotate one account over and over, while an application logs in
// afresh some hundred times a second. What they report is how many of its logins
// failed.

// benchServers are the servers, each in plaintext too. They take both, and are
// started once.
func benchServers(b *testing.B) map[string]*mysqlserver.Server {
	b.Helper()
	servers := map[string]*mysqlserver.Server{}
	for name, series := range map[string]mysqlserver.Series{"MySQL-9.7": mysqlserver.MySQL97, "MariaDB-10.11": mysqlserver.MariaDB1011} {
		servers[name] = mysqltest.Own(b, series, "--require-secure-transport=OFF")
	}
	return servers
}

// benchLoad is the application: what it logs in with, and how that goes.
type benchLoad struct {
	f *fixture

	mu       sync.RWMutex
	password string

	firstFailure, until atomic.Int64 // nanoseconds, of the gap that is open
	gaps                atomic.Int64 // nanoseconds, of all gaps

	*load.Load
}

func startBenchLoad(b *testing.B, f *fixture) *benchLoad {
	l := &benchLoad{f: f, password: f.first}
	var workers []load.Worker
	for i := range 4 {
		workers = append(workers, load.Worker{Name: fmt.Sprint("worker ", i), Use: l.login})
	}
	var err error
	if l.Load, err = load.Start(b.Context(), 10*time.Millisecond, workers...); err != nil {
		b.Fatal(err)
	}
	return l
}

func (l *benchLoad) login(ctx context.Context) error {
	l.mu.RLock() // a login that has begun is over before the password is another one
	outcome, err := l.f.Probe(ctx, l.f.doc(l.password))
	l.mu.RUnlock()
	if now := time.Now().UnixNano(); outcome != credential.Accepted {
		l.firstFailure.CompareAndSwap(0, now)
		l.until.Store(now)
		return fmt.Errorf("%s: %w", outcome, err)
	}
	if first := l.firstFailure.Swap(0); first != 0 {
		l.gaps.Add(l.until.Load() - first)
	}
	return nil
}

// deploy has the application use another password, as a redeploy does.
func (l *benchLoad) deploy(password string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.password = password
}

func (l *benchLoad) report(b *testing.B) {
	if err := l.Stop(); errors.Is(err, load.ErrNothingObserved) {
		b.Fatal(err)
	}
	logins, failures := l.Attempts()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(logins), "logins")
	b.ReportMetric(float64(failures), "failed")
}

// rotate is a rotation as the engine does it, with a redeploy of some length.
func (l *benchLoad) rotate(b *testing.B, n int, rollout time.Duration) {
	f, old := l.f, l.password
	next := fmt.Sprintf("password-number-%010d-of-a-benchmark", n)
	if err := f.Set(b.Context(), f.change(old, next)); err != nil {
		b.Fatal(err)
	}
	if err := f.Test(b.Context(), f.change(old, next)); err != nil {
		b.Fatal(err)
	}
	time.Sleep(rollout)
	l.deploy(next)
	if err := f.Quarantine(b.Context(), f.overlap(next, old)); err != nil {
		b.Fatal(err)
	}
	if err := f.Retire(b.Context(), f.overlap(next, old)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRotationsInARow is for the ways that keep the old password: none of
// the logins may fail.
func BenchmarkRotationsInARow(b *testing.B) {
	for name, server := range benchServers(b) {
		for _, way := range []string{"self", "admin"} {
			for _, protection := range []string{"VERIFY_IDENTITY", "DISABLED"} {
				b.Run(fmt.Sprintf("%s/%s/%s", name, way, protection), func(b *testing.B) {
					f := benchFixture(b, server, way)
					f.configure(func(c *Config) { c.TLS = protection })
					logins := startBenchLoad(b, f)
					for n := range b.N {
						logins.rotate(b, n, 0)
					}
					logins.report(b)
					if _, failed := logins.Attempts(); failed > 0 {
						b.Errorf("%d logins failed", failed)
					}
				})
			}
		}
	}
}

func benchFixture(b *testing.B, server *mysqlserver.Server, way string) *fixture {
	b.Helper()
	var privileges []string
	switch {
	case way == "self" && server.IsMariaDB():
		privileges = []string{createUser, "SELECT ON mysql.*"}
	case way == "self":
		privileges = []string{dualPrivilege}
	}
	f := newFixtureOn(b, server, privileges...)
	switch way {
	case "admin":
		f.withAdmin(createUser, "SELECT ON mysql.*")
	case "rds":
		f.atRDS().delay = time.Second // RDS's own takes longer, and stays open to the old one meanwhile
	}
	f.configure(func(c *Config) { c.Way = way })
	return f
}

// benchRollout is how long a redeploy takes here.
const benchRollout = 1500 * time.Millisecond

// BenchmarkGap is for the ways that do not keep it: how long the logins of an
// application fail whose redeploy takes a second and a half.
func BenchmarkGap(b *testing.B) {
	for name, server := range benchServers(b) {
		for _, way := range []string{"single", "rds", "admin"} {
			b.Run(fmt.Sprintf("%s/%s", name, way), func(b *testing.B) {
				logins := startBenchLoad(b, benchFixture(b, server, way))
				for n := range b.N {
					logins.rotate(b, n, benchRollout)
				}
				logins.report(b)
				b.ReportMetric(float64(logins.gaps.Load())/float64(b.N)/1e9, "s-gap/rotation")
			})
		}
	}
}
