package main

import (
	"context"
	"errors"
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

// tryByExplorer has the explorer play the scripts of mutations, and tells what it sees in
// each. With search it looks for those that have none, too, in histories with at most
// one disturbance, and tells by which script it sees each. It fails if it sees something
// without a mutation, or nothing in a script.
func (b *bench) tryByExplorer(ctx context.Context, chosen []mutation, search bool) error {
	began := time.Now()
	if err := b.holdsWithout(ctx, chosen, search); err != nil {
		return err
	}
	fmt.Printf("nothing is seen without a mutation (%s)\n", since(began))
	var missed []string
	var faults []error
	for _, m := range chosen {
		began := time.Now()
		seen, err := b.seenByExplorer(ctx, m)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%s: %w", m.name, err)
		case seen == "":
			missed = append(missed, m.name)
			fmt.Printf("not seen %s (%s): %s\n", m.name, since(began), m.what)
			if len(m.scripts) > 0 {
				faults = append(faults, fmt.Errorf("%s does not show in each of its scripts (%s): find others, or extend what is looked at", m.name, strings.Join(m.scripts, "; ")))
			}
		default:
			fmt.Printf("seen %s (%s): %s\n  %s\n", m.name, since(began), m.what, seen)
		}
	}
	fmt.Printf("%d of %d mutations of the engine seen by the explorer", len(chosen)-len(missed), len(chosen))
	if len(missed) > 0 {
		fmt.Printf("; not by it: %s", strings.Join(missed, ", "))
	}
	fmt.Println()
	return errors.Join(faults...)
}

// holdsWithout fails if the explorer sees something without a mutation: in the scripts of
// these, and with search in any history with at most one disturbance.
func (b *bench) holdsWithout(ctx context.Context, chosen []mutation, search bool) error {
	binary, err := b.explorer(ctx, "")
	if err != nil {
		return err
	}
	defer os.Remove(binary)
	for _, m := range chosen {
		for _, script := range m.scripts {
			if seen, err := b.replay(ctx, binary, script); err != nil || seen != "" {
				return fmt.Errorf("%s, without a mutation: %s %w", script, seen, err)
			}
		}
	}
	if !search {
		return nil
	}
	if seen, err := b.search(ctx, binary); err != nil || seen != "" {
		return fmt.Errorf("without a mutation: %s %w", seen, err)
	}
	return nil
}

// seenByExplorer has the explorer play a mutation's scripts, or search where it has none, and
// returns what it sees; "" if it sees nothing in one of them.
func (b *bench) seenByExplorer(ctx context.Context, m mutation) (seen string, err error) {
	binary, err := b.explorer(ctx, b.mutated[m.name])
	if err != nil {
		return "", err
	}
	defer os.Remove(binary)
	if len(m.scripts) == 0 {
		return b.search(ctx, binary)
	}
	var all []string
	for _, script := range m.scripts {
		if seen, err = b.replay(ctx, binary, script); err != nil || seen == "" {
			return "", err
		}
		all = append(all, script+": "+seen)
	}
	return strings.Join(all, "\n  "), nil
}

// explorer compiles the explorer with an overlay or "".
func (b *bench) explorer(ctx context.Context, overlay string) (binary string, err error) {
	binary = filepath.Join(b.dir, "explore")
	if out, err := b.run(ctx, b.module, overlay, "go", "build", "-ldflags=-s -w", "-o", binary, "./cmd/explore"); err != nil {
		return "", fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	return binary, nil
}

// found is what the explorer prints of a violation, and played what it prints of one in a
// history that it plays. Either way a scenario may break before its invocations.
var (
	found  = regexp.MustCompile(`(?m)^VIOLATION (.*)\n +make explore REPLAY='(.*)'$|^explore: (scenario .*)$`)
	played = regexp.MustCompile(`(?m)^explore: (?:VIOLATION (.*)|(scenario .*))$`)
)

// replay plays one history, and returns what does not hold in it; "" if all does. That the
// history has no such step, since it goes another way, is no violation.
func (b *bench) replay(ctx context.Context, binary, script string) (seen string, err error) {
	out, failure := b.run(ctx, b.module, "", binary, "-replay", script)
	if failure == nil {
		return "", nil
	}
	match := played.FindStringSubmatch(out)
	switch {
	case match != nil:
		return match[1] + match[2], nil
	case strings.Contains(out, "and none of the script's"):
		return "", nil
	}
	return "", fmt.Errorf("what failed is no violation: %w\n%s", failure, out)
}

// search returns the first thing that the explorer sees in any history with at most one
// disturbance; "" if it sees nothing.
func (b *bench) search(ctx context.Context, binary string) (seen string, err error) {
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
