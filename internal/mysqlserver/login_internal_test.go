package mysqlserver

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestAServerThatFindsItsPortTakenIsKnownHoweverMuchItLogsAfterwards(t *testing.T) {
	t.Parallel()
	note := "2026-01-02T03:04:05.678901Z 0 [Note] [MY-010733] [Server] Shutting down plugin\n"
	for log, want := range map[string]bool{
		"[Server] Can't start server: Bind on TCP/IP port: Address already in use\n" + strings.Repeat(note, 1000): true,
		"[Server] Unknown variable\n" + strings.Repeat(note, 1000):                                                false,
	} {
		dir, err := newRunDir()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir.path) })
		if err := os.WriteFile(dir.log(), []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &Server{dir: dir, process: &process{err: errors.New("exit status 1")}}
		if got := s.diedEarly(); errors.Is(got, errPortTaken) != want {
			t.Errorf("%.40q…: %.80s", log, got)
		}
	}
}
