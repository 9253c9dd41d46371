package mysqlserver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestLifelineEndsTheCommandWhenItIsCut(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", lifelineScript, "sh", "sleep", "300")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, lifeline: stdin}
	err = p.start(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}

	stdin.Close() // as when this process dies

	select {
	case <-p.done:
	case <-time.After(2 * time.Minute):
		t.Error("the command still runs")
		p.kill()
	}
}

func TestRunDirsOfDeadProcessesAreRemoved(t *testing.T) {
	// Not parallel: it looks for directories in a temporary directory of its own.
	t.Setenv("TMPDIR", t.TempDir())
	inUse, err := newRunDir()
	if err != nil {
		t.Fatal(err)
	}
	defer inUse.remove()
	abandoned, err := newRunDir()
	if err != nil {
		t.Fatal(err)
	}
	abandoned.owner.Close() // as the kernel does when a process dies

	removeAbandoned()

	if _, err := os.Stat(abandoned.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the abandoned directory: %v", err)
	}
	if _, err := os.Stat(inUse.path); err != nil {
		t.Errorf("the directory in use: %v", err)
	}
}
