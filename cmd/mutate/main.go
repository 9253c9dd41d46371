// Command mutate breaks the engine on purpose, in one way after another, and
// shows that a fast test sees each. It works on a copy of the source tree in a
// temporary directory, several mutations at a time. A test has to pass without
// the mutation first. The exit status is 1 when a mutation goes unseen.
//
//	go run ./cmd/mutate                          all of mutations.go
//	go run ./cmd/mutate -only '^redeploy'        those whose names match
//	go run ./cmd/mutate -explore                 by the explorer, those of the engine of which a script is known
//	go run ./cmd/mutate -explore -search         by the explorer, all of the engine
//	go run ./cmd/mutate -thorough                by the crash matrix too, those that it has to see
//
// It runs in the directory of the module, as `make mutate` does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "those mutations alone whose names match this regular expression")
	flag.BoolVar(&o.thorough, "thorough", false, "have the crash matrix look for the mutations that it has to see, too; it takes minutes for each")
	flag.BoolVar(&o.explore, "explore", false, "have the explorer alone play the scripts that are known of mutations of the engine")
	flag.BoolVar(&o.search, "search", false, "with -explore, search for what has no script, or whose script does not show it; it takes a minute or more for each")
	flag.IntVar(&o.atOnce, "parallel", runtime.NumCPU(), "how many mutations are tried at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	only     string
	thorough bool
	explore  bool
	search   bool
	atOnce   int
}

func run(ctx context.Context, o options) error {
	began := time.Now()
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	chosen := slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool {
		return !only.MatchString(m.name) || o.explore && (!m.ofTheEngine() || len(m.scripts) == 0 && !o.search)
	})
	if len(chosen) == 0 {
		return fmt.Errorf("no mutation has a name that matches %q", o.only)
	}
	b, err := newBench(chosen)
	if err != nil {
		return err
	}
	defer b.remove()
	if o.explore {
		return b.tryByExplorer(ctx, chosen, o.search)
	}
	if err := b.passWithout(ctx, chosen); err != nil {
		return err
	}
	fmt.Printf("every test passes without a mutation (%s)\n", since(began))
	faults := b.tryAll(ctx, chosen, max(1, o.atOnce))
	if o.thorough {
		faults = append(faults, b.tryByMatrix(ctx, chosen)...)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Printf("%d of %d mutations seen (%s)\n", len(chosen)-len(faults), len(chosen), since(began))
	return errors.Join(faults...)
}

// tryAll has the test of each mutation look for it, and returns those that it
// does not see.
func (b *bench) tryAll(ctx context.Context, chosen []mutation, atOnce int) (faults []error) {
	next := make(chan mutation)
	var workers sync.WaitGroup
	var printing sync.Mutex
	for range atOnce {
		workers.Go(func() {
			for m := range next {
				began := time.Now()
				seen, err := b.try(ctx, m)
				if ctx.Err() != nil {
					continue // what was cut off says nothing
				}
				printing.Lock()
				if err != nil {
					err = fmt.Errorf("%s (%s), by %s: %w", m.name, m.what, m.killer, err)
					fmt.Println("NOT SEEN", err)
					faults = append(faults, err)
				} else {
					fmt.Printf("seen %s (%s): %s\n  %s: %s\n", m.name, since(began), m.what, m.killer.name, seen)
				}
				printing.Unlock()
			}
		})
	}
	for _, m := range chosen {
		if ctx.Err() != nil {
			break
		}
		next <- m
	}
	close(next)
	workers.Wait()
	return faults
}

// tryByMatrix has the crash matrix look for the mutations that name some of its
// trials.
func (b *bench) tryByMatrix(ctx context.Context, chosen []mutation) (faults []error) {
	passed := map[string]bool{}
	for _, m := range chosen {
		if m.trials == (trials{}) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		seen, err := b.tryTrials(ctx, m, passed)
		if err != nil {
			err = fmt.Errorf("%s (%s), by the crash matrix, %+v: %w", m.name, m.what, m.trials, err)
			fmt.Println("NOT SEEN", err)
			faults = append(faults, err)
			continue
		}
		fmt.Printf("seen by the crash matrix: %s (%s)\n  %s\n", m.name, since(began), seen)
	}
	return faults
}

func since(began time.Time) time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
