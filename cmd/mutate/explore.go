package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// ofTheEngine tells that a mutation breaks the engine, and not a kind: the explorer
// has kinds of its own.
func (m mutation) ofTheEngine() bool {
	dir := filepath.Dir(m.file)
	return dir == engine || dir == planner || dir == book
}

// tryByExplorer has the explorer look for mutations, in histories with at most one
// disturbance, and tells by which script it sees each. It fails if it sees something
// without a mutation: then that comes first.
func (b *bench) tryByExplorer(ctx context.Context, chosen []mutation) error {
	began := time.Now()
	if seen, err := b.explore(ctx, ""); err != nil || seen != "" {
		return fmt.Errorf("without a mutation: %s %w", seen, err)
	}
	fmt.Printf("nothing is seen without a mutation (%s)\n", since(began))
	var missed []string
	for _, m := range chosen {
		began := time.Now()
		seen, err := b.explore(ctx, b.mutated[m.name])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%s: %w", m.name, err)
		case seen == "":
			missed = append(missed, m.name)
			fmt.Printf("not seen %s (%s): %s\n", m.name, since(began), m.what)
		default:
			fmt.Printf("seen %s (%s): %s\n  %s\n", m.name, since(began), m.what, seen)
		}
	}
	fmt.Printf("%d of %d mutations of the engine seen by the explorer; not by it, but by the tests: %s\n", len(chosen)-len(missed), len(chosen), strings.Join(missed, ", "))
	return nil
}

// found is what the explorer prints of a violation, and of a scenario that breaks
// before its invocations.
var found = regexp.MustCompile(`(?m)^VIOLATION (.*)\n +make explore REPLAY='(.*)'$|^explore: (scenario .*)$`)

// explore runs the explorer with an overlay or "", and returns the first thing that
// it sees; "" if it sees nothing.
func (b *bench) explore(ctx context.Context, overlay string) (seen string, err error) {
	binary := filepath.Join(b.dir, "explore")
	defer os.Remove(binary)
	if out, err := b.run(ctx, b.module, overlay, "go", "build", "-ldflags=-s -w", "-o", binary, "./cmd/explore"); err != nil {
		return "", fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	out, failure := b.run(ctx, b.module, "", binary, "-first", "-disturbances", "1", "-sample", "0")
	if failure == nil {
		return "", nil
	}
	match := found.FindStringSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("what failed is no violation: %w\n%s", failure, out)
	}
	if match[3] != "" {
		return match[3], nil
	}
	return match[2] + ": " + match[1], nil
}
