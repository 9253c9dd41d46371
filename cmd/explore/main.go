// Command explore searches for violations of the engine's invariants: it plays, in
// process, every history of two invocations with a few disturbances, and checks the
// invariants after each step. The exit status is 1 if one is violated.
//
//	go run ./cmd/explore                                  every history with at most two disturbances
//	go run ./cmd/explore -disturbances 1                  with at most one: about 15 seconds
//	go run ./cmd/explore -scenario '^emergency'           only scenarios whose names match
//	go run ./cmd/explore -sample 20000 -seed 7            also that many with one more disturbance, of each scenario
//	go run ./cmd/explore -replay 'NAME: 5 switch, 9 edit' play one history, and print what happens
//
// With `make explore` it also measures which rows of plan.Decide are reached.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mautic-rotation/internal/explore"
)

func main() {
	var o options
	flag.IntVar(&o.disturbances, "disturbances", 2, "the maximum number of disturbances in a history")
	flag.StringVar(&o.scenario, "scenario", "", "search only the scenarios whose names match this regular expression")
	flag.StringVar(&o.replay, "replay", "", "play one history, as printed with a violation")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many scenarios to search in parallel")
	flag.IntVar(&o.sample, "sample", 2000, "how many random histories with one more disturbance to try in each scenario")
	flag.Uint64Var(&o.seed, "seed", 1, "the seed of that sample")
	flag.DurationVar(&o.most, "for", 0, "the maximum time to search; 0: until the search is complete")
	flag.BoolVar(&o.first, "first", false, "stop at the first violation, searching histories with fewer disturbances first")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.BoolVar(&o.list, "list", false, "list the scenarios")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "explore:", err)
		os.Exit(1)
	}
}

type options struct {
	disturbances, workers, sample int
	scenario, replay, profile     string
	seed                          uint64
	most                          time.Duration
	list, first                   bool
}

func (o options) run() error {
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if o.replay != "" {
		return replay(o.replay)
	}
	only, err := regexp.Compile(o.scenario)
	if err != nil {
		return fmt.Errorf("-scenario: %w", err)
	}
	chosen := slices.DeleteFunc(explore.Scenarios(), func(s *explore.Scenario) bool { return !only.MatchString(s.Name) })
	if len(chosen) == 0 {
		return fmt.Errorf("no scenario matches %q", o.scenario)
	}
	if o.list {
		for _, s := range chosen {
			fmt.Printf("%-34s %s and %s; %s\n", s.Name, s.Pair[0].Name, s.Pair[1].Name, strings.Join(s.Kinds, ", "))
		}
		return nil
	}
	if o.first {
		most := o.disturbances
		for o.disturbances = 0; o.disturbances < most; o.disturbances++ {
			if err := o.search(chosen); err != nil {
				return err
			}
		}
	}
	return o.search(chosen)
}

func replay(text string) error {
	name, rest, ok := strings.Cut(text, ":")
	at := slices.IndexFunc(explore.Scenarios(), func(s *explore.Scenario) bool { return s.Name == name })
	if !ok || at < 0 {
		return fmt.Errorf("-replay %q: write a scenario's name (see -list), a colon, and the disturbances", text)
	}
	script, err := explore.ParseScript(rest)
	if err != nil {
		return err
	}
	broken, err := explore.Replay(explore.Scenarios()[at], script, os.Stdout)
	if err == nil && broken != "" {
		err = fmt.Errorf("VIOLATION %s", broken)
	}
	return err
}

// search searches scenarios, several at once.
func (o options) search(chosen []*explore.Scenario) error {
	// At first a search keeps little memory, and the garbage collector would run over and over.
	// With this ballast, which is never touched and so takes no real memory, it runs only once
	// half a gigabyte of garbage, or as much as is kept, has accumulated.
	ballast := make([]byte, 512<<20)
	defer runtime.KeepAlive(ballast)
	began := time.Now()
	var seen atomic.Bool // a violation, which ends the search with -first
	stop := func() bool { return o.most > 0 && time.Since(began) > o.most || o.first && seen.Load() }
	var (
		mu      sync.Mutex
		left    = slices.Clone(chosen)
		current []*explore.Scenario
		total   explore.Stats
		found   int
		faults  []error
		cut     []string
		workers sync.WaitGroup
	)
	take := func() *explore.Scenario {
		mu.Lock()
		defer mu.Unlock()
		if len(left) == 0 || stop() {
			return nil
		}
		at := max(0, slices.IndexFunc(left, func(s *explore.Scenario) bool {
			return !slices.ContainsFunc(current, func(c *explore.Scenario) bool { return explore.Alike(c, s) })
		}))
		s := left[at]
		left, current = slices.Delete(left, at, at+1), append(current, s)
		return s
	}
	for range max(1, o.workers) {
		workers.Go(func() {
			for s := take(); s != nil; s = take() {
				since := time.Now()
				e, err := explore.New(s)
				if err == nil {
					e.Complete(o.disturbances, stop)
					e.Sample(o.disturbances+1, o.sample, o.seed, stop)
				}
				if err != nil || len(e.Found) > 0 {
					seen.Store(true)
				}
				mu.Lock()
				current = slices.DeleteFunc(current, func(c *explore.Scenario) bool { return c == s })
				if err != nil {
					faults = append(faults, err)
				} else {
					e.HandOn()
					total.Add(e.Stats)
					found += len(e.Found)
					if e.Cut() {
						cut = append(cut, s.Name)
					}
					fmt.Printf("%-34s %8d histories %8d states %7.1fs %3d violations\n", s.Name, e.Stats.Histories, e.Stats.States, time.Since(since).Seconds(), len(e.Found))
					for _, v := range e.Found { // the shortest come first
						fmt.Printf("VIOLATION %s\n", v)
					}
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	fmt.Printf("%d scenarios with at most %d disturbances: %d histories, %d of them up to a known state, and %d ends; %d states, %.0f a second; %d calls, %d runs of the engine with %d different courses of answers, %d answers given again; %s\n",
		len(chosen), o.disturbances, total.Histories, total.Pruned, total.Endings, total.States, float64(total.States)/took.Seconds(), total.Calls, total.Runs, total.Moments, total.Again, took.Round(time.Second))
	if len(cut) > 0 {
		fmt.Printf("not complete, because the time was up: %s\n", strings.Join(cut, ", "))
	}
	reached, missed, err := rows()
	if err != nil {
		return err
	}
	fmt.Println(reached)
	if missed > 0 && o.scenario == "" && len(cut) == 0 && o.disturbances > 0 {
		faults = append(faults, fmt.Errorf("%d rows of decide were not reached: add scenarios that reach them, or delete them", missed))
	}
	if found > 0 {
		faults = append(faults, fmt.Errorf("%d violations", found))
	}
	return errors.Join(faults...)
}
