// Package awscli runs AWS's own command-line program, version 2, for the test that runs what
// the documentation tells people to type: fetched from Debian into the cache, or where that cannot
// be, what the machine has installed.
package awscli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"mautic-rotation/internal/cache"
	"mautic-rotation/internal/debian"
)

// pinned is a version of a release of Debian that is kept.
var pinned = debian.Wish{Suite: "bookworm", Package: "awscli", Choose: choose, Size: "30 MB"}

func choose(versions []string) (string, error) {
	at := slices.IndexFunc(versions, func(version string) bool { return strings.HasPrefix(debian.Upstream(version), "2.") })
	if at < 0 {
		return "", fmt.Errorf("no AWS CLI 2 in Debian bookworm, which has %q", versions)
	}
	return versions[at], nil
}

// Script returns a shell script that runs the AWS CLI with the arguments that it is given, and fetches
// the CLI if need be. Version 1 will not do: the documentation is for version 2.
func Script(ctx context.Context, progress func(string)) (string, error) {
	root, err := fetch(ctx, progress)
	if err == nil {
		// Debian's own python3 of the same release, with its own modules alone.
		words := append([]string{"env", "PYTHONHOME=" + filepath.Join(root, "usr"), "PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages"), "PYTHONNOUSERSITE=1", "PYTHONDONTWRITEBYTECODE="},
			debian.Command(root, "usr/bin/python3.11")...)
		words = append(words, "-c", "import sys; from awscli.clidriver import main; sys.exit(main())")
		return "#!/bin/sh\nexec '" + strings.Join(words, "' '") + "' \"$@\"\n", nil
	}
	err = fmt.Errorf("the AWS CLI cannot be fetched: %w", err)
	path, missing := exec.LookPath("aws")
	if missing != nil {
		return "", errors.Join(err, fmt.Errorf("and is not installed: %w", missing))
	}
	if version, _ := exec.CommandContext(ctx, path, "--version").Output(); !strings.HasPrefix(string(version), "aws-cli/2.") {
		return "", errors.Join(err, fmt.Errorf("and %s is of another version than 2: %s", path, version))
	}
	return "#!/bin/sh\nexec '" + path + "' \"$@\"\n", nil
}

// fetch returns where the CLI's packages are unpacked.
func fetch(ctx context.Context, progress func(string)) (root string, err error) {
	if err := debian.Runs(); err != nil {
		return "", err
	}
	base, err := cache.Dir()
	if err != nil {
		return "", err
	}
	root = filepath.Join(base, fmt.Sprintf("awscli-2-debian-%s-%s", pinned.Suite, runtime.GOARCH))
	return root, cache.Once(ctx, root, func(unfinished string) error {
		return debian.Fetch(ctx, unfinished, pinned, progress)
	})
}
