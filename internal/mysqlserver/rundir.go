package mysqlserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mautic-rotation/internal/cache"
)

const (
	runDirPrefix = "mautic-rotation-server-"
	ownerFile    = "owner"
)

// A runDir is the directory of one running server. It is the process's own (mode 0700) and locked while that process lives, so
// that what a killed one left behind can be told from what is in use.
type runDir struct {
	path  string
	owner *os.File // holds the lock
}

// newRunDir makes a directory, and removes those whose processes were killed before they could.
func newRunDir() (*runDir, error) {
	removeAbandoned()

	// It gets its final name only when it is locked, or another process might take it for an abandoned one.
	unlocked, err := os.MkdirTemp("", "new-"+runDirPrefix)
	if err != nil {
		return nil, fmt.Errorf("making a directory for the server: %w", err)
	}
	owner, err := cache.TryLock(filepath.Join(unlocked, ownerFile))
	if err != nil {
		os.RemoveAll(unlocked)
		return nil, err
	}
	path := filepath.Join(filepath.Dir(unlocked), strings.TrimPrefix(filepath.Base(unlocked), "new-"))
	err = os.Rename(unlocked, path)
	if err != nil {
		owner.Close()
		os.RemoveAll(unlocked)
		return nil, err
	}
	d := &runDir{path: path, owner: owner}
	err = os.Mkdir(d.temp(), 0o700)
	if err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

// removeAbandoned removes the directories of processes that are gone.
func removeAbandoned() {
	// Glob's only error is a bad pattern.
	owners, _ := filepath.Glob(filepath.Join(os.TempDir(), runDirPrefix+"*", ownerFile))
	for _, path := range owners {
		owner, err := cache.TryLock(path)
		if err != nil {
			continue // in use, or another user's
		}
		os.RemoveAll(filepath.Dir(path))
		owner.Close()
	}
}

func (d *runDir) data() string     { return filepath.Join(d.path, "data") }
func (d *runDir) tls() string      { return filepath.Join(d.path, "tls") }
func (d *runDir) log() string      { return filepath.Join(d.path, "server.log") }
func (d *runDir) initFile() string { return filepath.Join(d.path, "init.sql") }
func (d *runDir) pid() string      { return filepath.Join(d.path, "pid") }

// temp is for the server's temporary tables. A server that starts deletes all of them that it finds, so in a directory that
// servers share it would delete those of the others, whose statements then fail.
func (d *runDir) temp() string { return filepath.Join(d.path, "tmp") }

// socket has a short name: the whole path may not be longer than 103 bytes on macOS, whose temporary directories are long.
func (d *runDir) socket() string { return filepath.Join(d.path, "s") }

// remove removes the directory and gives up the lock.
func (d *runDir) remove() error {
	err := os.RemoveAll(d.path)
	d.owner.Close()
	return err
}
