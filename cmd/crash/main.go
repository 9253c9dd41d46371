// Command crash runs the crash matrix: one rotation for each external call that a
// rotation makes and each way in which that call can fail. It prints a table of calls
// and faults for each scenario, and each violation with the command that repeats it. The
// exit status is 1 if there is any violation.
//
//	go run ./cmd/crash                              all trials
//	go run ./cmd/crash -scenario plain              all trials of one scenario
//	go run ./cmd/crash -sample 10                   ten trials of each scenario
//	go run ./cmd/crash -pairs 100                   100 trials of each scenario with two faults each
//	go run ./cmd/crash -only plain/17/killed-after  one trial
//	go run ./cmd/crash -match 'killed-after .*DISCARD'  the trials whose name and call match
//	go run ./cmd/crash -database mariadb            on MariaDB
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"mautic-rotation/internal/crash"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
)

// options are the command line's.
type options struct {
	only, scenario, match, logs string
	database                    string
	sample, pairs, parallel     int
	first                       bool
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "run only the trial with this name")
	flag.StringVar(&o.scenario, "scenario", "", "run only the trials of one scenario: "+strings.Join(scenarioNames(), ", "))
	flag.StringVar(&o.match, "match", "", "run only the trials for which \"<trial's name> <call's name>\" matches this regular expression")
	flag.StringVar(&o.database, "database", "mysql", "mysql, mariadb, or a series such as mariadb-10.11; on MariaDB the function uses an administrator's login")
	flag.StringVar(&o.logs, "logs", "", "write the function's logs of trials with violations to this directory")
	flag.BoolVar(&o.first, "first", false, "end a trial at its first violation")
	flag.IntVar(&o.sample, "sample", 0, "run only this many trials of each scenario, always the same ones; 0 means all")
	flag.IntVar(&o.pairs, "pairs", 0, "run only this many trials of each scenario, always the same ones, each with a second fault after the first")
	flag.IntVar(&o.parallel, "parallel", 16, "how many trials to run in parallel")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func scenarioNames() []string {
	var names []string
	for _, scenario := range crash.Scenarios {
		names = append(names, scenario.Name)
	}
	return names
}

func run(ctx context.Context, o options) (err error) {
	if o.scenario != "" && !slices.Contains(scenarioNames(), o.scenario) {
		return fmt.Errorf("unknown scenario %q; choose one of %s", o.scenario, strings.Join(scenarioNames(), ", "))
	}
	series, err := mysqlserver.SeriesOf(o.database)
	if err != nil {
		return fmt.Errorf("-database: %w", err)
	}
	var args []string
	if !series.IsMariaDB() {
		args = []string{"--log-error-verbosity=3"} // as on RDS: the server logs logins with a second password
	}
	server, err := mysqlserver.Start(ctx, mysqlserver.Options{Series: series, Args: args, Progress: func(m string) { fmt.Println(m) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	dir, err := os.MkdirTemp("", "mautic-rotation-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := rig.BuildFunction(ctx, dir)
	if err != nil {
		return err
	}
	matrix := &crash.Matrix{MySQL: server, Binary: binary, LogDir: o.logs, FirstOnly: o.first}
	fmt.Println("against", server.Origin())
	if o.only != "" {
		return one(ctx, matrix, o.only)
	}
	return all(ctx, matrix, o)
}

func one(ctx context.Context, matrix *crash.Matrix, name string) error {
	trial, err := crash.ParseTrial(name)
	if err != nil {
		return err
	}
	violations, err := matrix.Run(ctx, trial)
	if err != nil {
		return err
	}
	for _, v := range violations {
		fmt.Println(v)
	}
	fmt.Printf("%s: %d violations\n", trial, len(violations))
	if len(violations) > 0 {
		return errors.New("an invariant was violated")
	}
	return nil
}

// result is one trial's.
type result struct {
	trial      crash.Trial
	violations []string
	err        error
}

func all(ctx context.Context, matrix *crash.Matrix, o options) error {
	wanted, err := regexp.Compile(o.match)
	if err != nil {
		return err
	}
	series := matrix.MySQL.Series()
	start := time.Now()
	var results []result
	for _, scenario := range crash.Scenarios {
		if o.scenario != "" && scenario.Name != o.scenario || !scenario.RunsOn(series) {
			continue
		}
		trials, err := matrix.Trials(ctx, scenario)
		if err != nil {
			fmt.Printf("\n%s: cannot list its calls\n  %v\n", scenario.Name, err)
			results = append(results, result{trial: crash.Trial{Scenario: scenario.Name}, err: err})
			if err := ctx.Err(); err != nil {
				return err
			}
			continue // with the other scenarios
		}
		trials = slices.DeleteFunc(trials, func(t crash.Trial) bool { return !wanted.MatchString(t.String() + " " + t.Name) })
		if len(trials) == 0 {
			continue
		}
		switch {
		case o.pairs > 0:
			trials = crash.Pairs(trials, o.pairs)
		case o.sample > 0:
			trials = crash.Sample(trials, o.sample)
		}
		fmt.Printf("\n%s: %s\n", scenario.Name, scenario.What)
		began := time.Now()
		got := runAll(ctx, matrix, trials, o.parallel)
		if o.pairs == 0 {
			printTable(got)
		}
		printViolations(got)
		fmt.Printf("%d trials in %s\n", len(got), time.Since(began).Round(time.Second))
		results = append(results, got...)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return conclude(results, time.Since(start))
}

func runAll(ctx context.Context, matrix *crash.Matrix, trials []crash.Trial, parallel int) []result {
	results := make([]result, len(trials))
	places := make(chan struct{}, parallel)
	var done, bad atomic.Int64
	defer every(progressTime, func() {
		fmt.Fprintf(os.Stderr, "%s: %d of %d trials, %d of them with a violation\n", trials[0].Scenario, done.Load(), len(trials), bad.Load())
	})()
	var group sync.WaitGroup
	for i, trial := range trials {
		places <- struct{}{}
		if err := ctx.Err(); err != nil {
			results[i] = result{trial: trial, err: err}
			<-places
			continue
		}
		group.Go(func() {
			defer func() { <-places }()
			violations, err := matrix.Run(ctx, trial)
			results[i] = result{trial, violations, err}
			if err != nil || len(violations) > 0 {
				bad.Add(1)
			}
			done.Add(1)
		})
	}
	group.Wait()
	return results
}

// progressTime is the time between two progress messages.
const progressTime = time.Minute

// every calls f repeatedly until it is stopped.
func every(pause time.Duration, f func()) (stop func()) {
	ticker, stopped := time.NewTicker(pause), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				f()
			case <-stopped:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(stopped)
	}
}

// printTable prints a row for each call and a column for each fault: a dot if all
// invariants held, otherwise the number of violations.
func printTable(results []result) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\tcall")
	for _, fault := range crash.Faults {
		fmt.Fprintf(table, "\t%s", fault)
	}
	fmt.Fprintln(table)
	cells := map[int]map[crash.Fault]string{}
	names := map[int]string{}
	for _, r := range results {
		cell := "."
		switch {
		case r.err != nil:
			cell = "error"
		case len(r.violations) > 0:
			cell = fmt.Sprint(len(r.violations))
		}
		if cells[r.trial.Call] == nil {
			cells[r.trial.Call] = map[crash.Fault]string{}
		}
		cells[r.trial.Call][r.trial.Fault] = cell
		names[r.trial.Call] = r.trial.Name
	}
	for _, call := range slices.Sorted(maps.Keys(cells)) {
		fmt.Fprintf(table, "%d\t%s", call, shorten(names[call]))
		for _, fault := range crash.Faults {
			fmt.Fprintf(table, "\t%s", cells[call][fault])
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush() // to standard output, like the rest
}

func shorten(name string) string {
	const most = 70
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}

func printViolations(results []result) {
	for _, r := range results {
		if r.err == nil && len(r.violations) == 0 {
			continue
		}
		fmt.Printf("\n%s (%s), to repeat: go run ./cmd/crash -only %s\n", r.trial, r.trial.Name, r.trial)
		if r.err != nil {
			fmt.Println("  the trial itself failed:", r.err)
		}
		for _, v := range slices.Compact(r.violations) {
			fmt.Println("  " + v)
		}
	}
}

func conclude(results []result, took time.Duration) error {
	violations, failures := 0, 0
	for _, r := range results {
		violations += len(r.violations)
		if r.err != nil {
			failures++
		}
	}
	if len(results) == 0 {
		return errors.New("no trial matches")
	}
	fmt.Printf("\n%d trials in %s: %d violations\n", len(results), took.Round(time.Second), violations)
	if violations+failures > 0 {
		return fmt.Errorf("%d violations, and %d trials that failed themselves", violations, failures)
	}
	return nil
}
