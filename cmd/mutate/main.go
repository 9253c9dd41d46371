// Command mutate breaks the engine on purpose, in one way after another, and checks
// that a fast test notices each. It works on copies of the source tree in a temporary
// directory, with several mutations in parallel. Each test must first pass without a
// mutation. The exit status is 1 if a mutation goes unnoticed.
//
//	go run ./cmd/mutate                          all mutations
//	go run ./cmd/mutate -only '^redeploy'        only those whose names match
//	go run ./cmd/mutate -explore                 with the explorer: mutations of the engine that have a script
//	go run ./cmd/mutate -explore -search         with the explorer: all mutations of the engine
//	go run ./cmd/mutate -thorough                also with the crash matrix: those that it must notice
//
// Run it in the module's directory, as `make mutate` does.
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
	flag.StringVar(&o.only, "only", "", "try only the mutations whose names match this regular expression")
	flag.BoolVar(&o.thorough, "thorough", false, "also run the crash matrix on the mutations that it must notice; takes minutes for each")
	flag.BoolVar(&o.explore, "explore", false, "use only the explorer, and play the known scripts of mutations of the engine")
	flag.BoolVar(&o.search, "search", false, "with -explore, also search for mutations that have no script, or whose script does not show them; takes a minute or more for each")
	flag.IntVar(&o.atOnce, "parallel", runtime.NumCPU(), "how many mutations to try in parallel")
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
		return fmt.Errorf("no mutation matches %q", o.only)
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

// tryAll runs the test of each mutation, and returns the mutations that go unnoticed.
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
					continue // an interrupted test proves nothing
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

// tryByMatrix runs the crash matrix on the mutations that name some of its trials.
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
