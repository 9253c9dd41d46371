// Command proof runs everything that takes too long for each change: the whole crash
// matrix, the explorer with two disturbances, all policies, all mutations, five minutes of
// fuzzing for each target, and the tests under load and with the race detector. Each of
// these checks is a child process.
//
//	go run ./cmd/proof                        every check that has not passed for the code at HEAD
//	go run ./cmd/proof -list                  what has passed, what is left, and how long it takes
//	go run ./cmd/proof -only '^explore/'      the checks whose names match
//	go run ./cmd/proof -jobs 2 -for 40m       two at a time; start none after 40 minutes
//	go run ./cmd/proof -table                 write the table of docs/proof.md anew
//
// docs/proof.tsv records the result of each check with the git hashes of the code that it
// checked. The file is written after each check, so a run that is killed goes on where it was.
// A result of other code counts as none. A failed check is run again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"mautic-rotation/internal/cache"
)

func main() {
	var o options
	flag.BoolVar(&o.list, "list", false, "list the checks, and run none")
	flag.BoolVar(&o.table, "table", false, "write the table of docs/proof.md anew, and run nothing")
	flag.StringVar(&o.only, "only", "", "only the checks whose names match this `regular expression`")
	flag.IntVar(&o.jobs, "jobs", 1, "how many checks run at once")
	flag.DurationVar(&o.most, "for", 0, "start no check after this time; 0: run all")
	flag.Parse()
	ctx, stop := interrupts()
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

// interrupts is a context that ends with a signal after which checks must not go on by themselves.
func interrupts() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

type options struct {
	list, table bool
	only        string
	jobs        int
	most        time.Duration
}

func run(ctx context.Context, o options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: see -help", flag.Arg(0))
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	all, err := allChecks(".")
	if err != nil {
		return err
	}
	book := &book{record: filepath.FromSlash(recordFile), page: filepath.FromSlash(pageFile), checks: all}
	at, err := codeAt(ctx, ".")
	if err != nil {
		return err
	}
	if o.table {
		return book.update(at, func(map[string]result) {})
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(c check) bool { return !only.MatchString(c.name) })
	if len(chosen) == 0 {
		return fmt.Errorf("-only %q matches no check: -list lists them", o.only)
	}
	if o.list {
		return list(chosen, book, at)
	}

	dir, err := cache.Dir()
	if err != nil {
		return err
	}
	logs, err := logDir(dir, ".")
	if err != nil {
		return err
	}
	lock, err := cache.TryLock(filepath.Join(logs, "lock"))
	if errors.Is(err, cache.ErrLocked) {
		return errors.New("another run of this command uses this directory: wait for it, or use -jobs")
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	r := &runner{
		book: book, logs: logs, jobs: max(1, o.jobs), most: o.most, ends: 30 * time.Second, out: os.Stdout,
		code: func(ctx context.Context) (code, error) { return cleanCode(ctx, ".") },
	}
	return r.run(ctx, chosen)
}

// list prints the checks, with the time that each took when it last ran, or is expected to.
func list(chosen []check, b *book, at code) error {
	results, err := readRecord(b.record)
	if err != nil {
		return err
	}
	fmt.Printf("for %s\n\n", at)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var left time.Duration
	passed := 0
	for _, c := range chosen {
		last, state := results[c.name], stateOf(c, results, at)
		took := c.of.expected
		if last.wall > 0 {
			took = last.wall
		}
		if state == hasPassed {
			passed++
		} else {
			left += took
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.name, state, round(took), last.counts)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("\n%d of %d checks have passed for this code; the others take about %s, one at a time\n", passed, len(chosen), round(left))
	return nil
}
