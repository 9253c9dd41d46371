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
	"strings"

	"mautic-rotation/internal/debian"
)

// pinned is a version of a release of Debian that is kept.
var pinned = debian.Wish{Suite: "bookworm", Package: "awscli", Choose: debian.Release("AWS CLI", "2"), Size: "30 MB"}

// Script returns a shell script that runs the AWS CLI with the arguments that it is given, and fetches
// the CLI if need be. Version 1 will not do: the documentation is for version 2.
func Script(ctx context.Context, progress func(string)) (string, error) {
	root, err := debian.Cached(ctx, "awscli-2", pinned, progress)
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
