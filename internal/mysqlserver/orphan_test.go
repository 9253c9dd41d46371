package mysqlserver_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

// startAndWait is the environment variable that makes the test program start a server, print its address, and wait.
const startAndWait = "MYSQLSERVER_START_AND_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(startAndWait) != "" {
		server, err := mysqlserver.Start(context.Background(), mysqlserver.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(server.Addr())
		select {}
	}
	mysqltest.Main(m)
}

func TestServerDiesWithItsProcess(t *testing.T) {
	t.Parallel()
	mysqltest.NotInCheck(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), startAndWait+"=1")
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	parent.Process.Kill() // SIGKILL: it cannot clean up
	parent.Wait()
	if err != nil {
		t.Fatal(err)
	}

	addr := strings.TrimSpace(line)
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
		select {
		case <-deadline:
			t.Fatalf("the server at %s still answers", addr)
		case <-tick.C:
		}
	}
}
