// Package php runs PHP, for tests of files that Mautic reads: of a pinned version, fetched
// from Debian into the cache, or where that cannot be, what the machine has installed.
package php

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"mautic-rotation/internal/debian"
)

// pinned is a version that Mautic 5, 6 and 7 run on.
var pinned = debian.Wish{Suite: "bookworm", Package: "php8.2-cli", Choose: debian.Release("PHP", "8.2"), Size: "30 MB"}

// Command returns the words that run PHP's command line interpreter, and fetches it
// if need be. It reads no php.ini.
func Command(ctx context.Context, progress func(string)) ([]string, error) {
	words, _, err := find(ctx, progress)
	return words, err
}

// Origin says which PHP Command runs, and fetches it if need be.
func Origin(ctx context.Context, progress func(string)) (string, error) {
	words, origin, err := find(ctx, progress)
	if err != nil {
		return "", err
	}
	words = append(words, "-r", "echo PHP_VERSION;")
	version, err := exec.CommandContext(ctx, words[0], words[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("asking PHP for its version: %w", err)
	}
	return fmt.Sprintf("php %s %s", version, origin), nil
}

func find(ctx context.Context, progress func(string)) (words []string, origin string, err error) {
	root, err := debian.Cached(ctx, "php-8.2", pinned, progress)
	if err == nil {
		return append(debian.Command(root, "usr/bin/php8.2"), "-n"), "from Debian " + pinned.Suite + ", cached in " + root, nil
	}
	path, missing := exec.LookPath("php")
	if missing != nil {
		return nil, "", errors.Join(fmt.Errorf("PHP cannot be fetched: %w", err), fmt.Errorf("and is not installed: %w", missing))
	}
	return []string{path, "-n"}, "on this machine, " + path, nil
}
