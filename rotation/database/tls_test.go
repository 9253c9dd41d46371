package database

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

// anotherHost relays to the server from an address that its certificate does
// not name, and that is not the loopback's own to the server.
func anotherHost(t *testing.T, server *mysqlserver.Server) (host string, port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
				upstream, err := from.Dial("tcp", server.Addr())
				if err != nil {
					return
				}
				defer upstream.Close()
				go io.Copy(upstream, client)
				io.Copy(client, upstream)
			}()
		}
	}()
	return "127.0.0.2", listener.Addr().(*net.TCPAddr).Port
}

func TestTheServersNameIsVerifiedUnlessTheChainIsAskedForAlone(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	host, port := anotherHost(t, f.server)
	otherRoots := mysqltest.SharedMariaDB(t).CAFile()
	for _, tc := range []struct {
		mode, caFile string
		want         credential.Outcome
		err          string
	}{
		{mode: "", want: credential.Unreachable, err: "is not for that name"},
		{mode: "VERIFY_IDENTITY", want: credential.Unreachable, err: "is not for that name"},
		{mode: "VERIFY_CA", want: credential.Accepted},
		{mode: "VERIFY_CA", caFile: otherRoots, want: credential.Unreachable, err: "is not signed by a trusted root"},
	} {
		f.configure(func(c *Config) {
			c.TLS, c.CAFile, c.Endpoint = tc.mode, first(tc.caFile, f.server.CAFile()), net.JoinHostPort(host, strconv.Itoa(port))
		})
		got, err := f.Probe(t.Context(), f.doc(f.first))
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s, roots %q: got %s, %v", tc.mode, tc.caFile, got, err)
		}
	}
	f.configure(func(c *Config) { c.TLS, c.CAFile = "VERIFY_CA", f.server.CAFile() })
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	if warned := f.preflight(pendingPassword); !strings.Contains(warned, "DATABASE_TLS=VERIFY_CA: the server's name is not verified") {
		t.Errorf("the preflight says %s", warned)
	}
}

// preflight is what the preflight says, in one text.
func (f *fixture) preflight(password string) string {
	f.t.Helper()
	var said strings.Builder
	for _, check := range f.Preflight(f.t.Context(), f.doc(password)) {
		said.WriteString(check.What)
		if check.Problem != nil {
			said.WriteString(": PROBLEM: " + check.Problem.Error())
		}
		if check.Warning != nil {
			said.WriteString(": WARNING: " + check.Warning.Error())
		}
		said.WriteString("\n")
	}
	return said.String()
}

func TestPlaintextIsSpokenOnRequestAndOnlyWhereTheServerAndTheAccountAllowIt(t *testing.T) {
	mysqltest.Each(t, plaintext)
}

func plaintext(t *testing.T, shared *mysqlserver.Server) {
	f := newFixtureOn(t, shared)
	f.configure(func(c *Config) { c.TLS = "DISABLED" })
	want, says := credential.Unreachable, "only over TLS (require_secure_transport)"
	if shared.IsMariaDB() && !shared.AtLeast(11, 8) {
		want, says = credential.Denied, "or the account asks for TLS" // 10.11 answers 1045
	}
	if got, err := f.Probe(t.Context(), f.doc(f.first)); got != want || !strings.Contains(err.Error(), says) {
		t.Errorf("where the server requires TLS: got %s, %v, want %s", got, err, want)
	}

	f = newFixtureOn(t, borrowWithoutTLS(t, shared.Series()))
	f.withAdmin()
	f.configure(func(c *Config) { c.TLS = "DISABLED" })
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	if !strings.Contains(f.log.String(), "DATABASE_TLS=DISABLED") {
		t.Errorf("the log does not say it: %s", &f.log)
	}
	if warned := f.preflight(pendingPassword); !strings.Contains(warned, "WARNING: DATABASE_TLS=DISABLED") {
		t.Errorf("the preflight says %s", warned)
	}
	f.admin("ALTER USER ? REQUIRE SSL", f.user)
	if got, err := f.Probe(t.Context(), f.doc(f.first)); got != credential.Denied || !strings.Contains(err.Error(), "or the account asks for TLS") {
		t.Errorf("where the account requires TLS: got %s, %v", got, err)
	}
}

// borrowWithoutTLS borrows a server that takes plaintext meanwhile.
func borrowWithoutTLS(t *testing.T, series mysqlserver.Series) *mysqlserver.Server {
	t.Helper()
	server := mysqltest.Borrow(t, series)
	change(t, server, "SET GLOBAL require_secure_transport = OFF", "SET GLOBAL require_secure_transport = ON")
	return server
}

func TestAServerWithoutTLSGetsNoPassword(t *testing.T) {
	t.Parallel()
	server := borrowWithoutTLS(t, mysqlserver.MariaDB)
	// A greeting that offers no TLS, as from somebody in between.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan []byte, 1)
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		upstream, err := net.Dial("tcp", server.Addr())
		if err != nil {
			return
		}
		defer upstream.Close()
		greeting := make([]byte, 4096)
		n, _ := upstream.Read(greeting)
		// The lower capabilities follow the version's 0, the thread (4), the
		// salt (8) and a 0; CLIENT_SSL is their bit 11.
		at := 5 + strings.IndexByte(string(greeting[5:n]), 0) + 1 + 4 + 8 + 1
		greeting[at+1] &^= 1 << 3
		client.Write(greeting[:n])
		answer, _ := io.ReadAll(client)
		said <- answer
	}()
	f := newFixtureOn(t, server)
	f.configure(func(c *Config) { c.Endpoint = listener.Addr().String() })
	got, err := f.Probe(t.Context(), f.doc(f.first))
	if got != credential.Unreachable || !strings.Contains(err.Error(), "offers no TLS, and the password is not sent without it") {
		t.Errorf("got %s, %v", got, err)
	}
	if answer := <-said; len(answer) > 0 {
		t.Errorf("the client answered with %d bytes", len(answer))
	}
}
