// Package cache keeps what is worth keeping between runs: programs that were fetched,
// and what takes long to make. Processes may use it at the same time.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Dir returns the directory for what is worth keeping between runs, and makes it.
func Dir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory: %w: set HOME or XDG_CACHE_HOME", err)
	}
	dir := filepath.Join(base, "mautic-rotation")
	err = os.MkdirAll(dir, 0o700)
	if err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	return dir, nil
}

// Once makes a directory in the cache unless it is there. make fills a directory that is put in place when it is whole. Several
// processes may want it at the same time (go test runs one for each package): one makes it, the others wait.
func Once(ctx context.Context, dir string, make func(unfinished string) error) error {
	if Exists(dir) {
		return nil
	}
	locked, err := lock(ctx, dir+".lock")
	if err != nil {
		return err
	}
	defer locked.Close()
	if Exists(dir) {
		return nil
	}

	unfinished := dir + ".unfinished"
	err = os.RemoveAll(unfinished) // of a process that was killed
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	err = os.Mkdir(unfinished, 0o700)
	if err != nil {
		return err
	}
	err = make(unfinished)
	if err != nil {
		return err
	}
	return os.Rename(unfinished, dir)
}

// Exists tells whether there is a file or directory of that name.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
