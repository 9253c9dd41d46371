package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// trees are what a result is for. docs/ is not among them, so a commit of the record
// leaves the results valid.
var trees = [...]string{"rotation", "lambda", "internal", "go.mod"}

// code is the first digits of git's hash of each of the trees.
type code [len(trees)]string

const hashDigits = 12

func (c code) String() string {
	var words []string
	for i, tree := range trees {
		words = append(words, tree+" "+c[i])
	}
	return strings.Join(words, ", ")
}

// codeAt returns the code at HEAD.
func codeAt(ctx context.Context, dir string) (found code, err error) {
	args := []string{"rev-parse"}
	for _, tree := range trees {
		args = append(args, "HEAD:"+tree)
	}
	out, err := git(ctx, dir, args...)
	if err != nil {
		return found, err
	}
	hashes := strings.Fields(out)
	if len(hashes) != len(trees) {
		return found, fmt.Errorf("git printed %d hashes instead of %d", len(hashes), len(trees))
	}
	for i, hash := range hashes {
		found[i] = hash[:hashDigits]
	}
	return found, nil
}

// cleanCode returns the code at HEAD, and an error if the files are not the same.
func cleanCode(ctx context.Context, dir string) (code, error) {
	out, err := git(ctx, dir, append([]string{"status", "--porcelain", "--untracked-files=all", "--"}, trees[:]...)...)
	if err != nil {
		return code{}, err
	}
	if changed := uncommitted(out); len(changed) > 0 {
		return code{}, fmt.Errorf("not committed, so a result would be for no code that git knows: %s", strings.Join(changed, ", "))
	}
	return codeAt(ctx, dir)
}

// uncommitted returns the files that git's status lists, but not the inputs that a fuzz target
// has found and failed with: the other checks go on. The tests run these inputs too.
func uncommitted(status string) (files []string) {
	for line := range strings.Lines(status) {
		line = strings.TrimRight(line, "\n")
		found := strings.HasPrefix(line, "??") && strings.Contains(line, "/testdata/fuzz/")
		if len(line) > 3 && !found {
			files = append(files, line[3:])
		}
	}
	return files
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}
