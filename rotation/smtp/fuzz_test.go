package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver/loopbacktls"
	"mautic-rotation/rotation/credential"
)

// A server that says anything is never taken for one that has let the password
// in unless it said 235, nothing that it says brings the password into an
// error, and without TLS it is not told it.
func FuzzReplies(f *testing.F) {
	const password = "BPasswordThatIsDerivedFromAKey"
	greeting := "220 email-smtp.eu-west-1.amazonaws.com ESMTP\r\n"
	for _, replies := range []string{
		"", "220", greeting, greeting + "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n220 go\r\n",
		greeting + "250-x\r\n250 AUTH PLAIN LOGIN\r\n235 Authentication successful.\r\n221 bye\r\n",
		greeting + "250-x\r\n250 AUTH PLAIN\r\n334 VXNlcm5hbWU6\r\n235 ok\r\n",
		greeting + "250-x\r\n250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n221 bye\r\n",
		greeting + "250-x\r\n250 AUTH LOGIN\r\n334 \xff\r\n334 not base64\r\n334 more\r\n",
		greeting + "250 AUTH PLAIN\r\n535 Authentication Credentials Invalid " + password + "\r\n",
		greeting + "250 AUTH PLAIN\r\n454 Temporary authentication failure\r\n",
		greeting + "250 AUTH CRAM-MD5\r\n", "554 No\r\n", "220-\r\n220-\r\n", "999999999 x\r\n", "-1 x\r\n", "\x15\x03\x01\x00\x02\x02\x28",
	} {
		f.Add(replies, true)
		f.Add(replies, false)
	}
	dir := filepath.Join(f.TempDir(), "tls")
	tlsConfig, err := loopbacktls.Write(dir)
	if err != nil {
		f.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, loopbacktls.CAFile))
	if err != nil {
		f.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	f.Fuzz(func(t *testing.T, replies string, encrypted bool) {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var heard strings.Builder // in the clear
		var serving sync.WaitGroup
		defer serving.Wait()
		defer listener.Close()
		serving.Go(func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			var to io.ReadWriter = conn
			if encrypted {
				to = tls.Server(conn, tlsConfig.Server)
			}
			_, _ = io.WriteString(to, replies)
			if encrypted {
				_ = to.(*tls.Conn).CloseWrite()
				_, _ = io.Copy(io.Discard, to)
				return
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(&heard, conn)
		})

		k := New(Config{Roots: roots})
		at := endpoint{host: "127.0.0.1", port: listener.Addr().(*net.TCPAddr).Port}
		if encrypted {
			k.implicitTLS = []int{at.port}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err = k.login(ctx, account{keyID: "AKIAIOSFODNN7EXAMPLE", password: password, at: at}, nil)
		listener.Close()
		serving.Wait()
		if credential.OutcomeOf(err) == credential.Accepted && (!encrypted || !strings.Contains(replies, "235")) {
			t.Errorf("taken for a login: %q", replies)
		}
		if credential.OutcomeOf(err) == credential.Denied && !strings.Contains(replies, "5") {
			t.Errorf("taken for a refusal: %q", replies)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Error("the error holds the password")
		}
		if strings.Contains(heard.String(), "AUTH") || strings.Contains(heard.String(), password) {
			t.Error("the credential was sent in the clear")
		}
	})
}
