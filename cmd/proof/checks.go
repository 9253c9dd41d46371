package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/crash"
	"mautic-rotation/internal/explore"
	"mautic-rotation/internal/mysqlserver"
)

// A check is one process, and one line of the record. It has passed when its command
// succeeds and its output shows that something was tried.
type check struct {
	name    string // its group's prefix, and what tells it from the others of the group
	command string // for a shell in the module's directory
	of      *group
}

// short is the check's name within its group.
func (c check) short() string {
	return strings.TrimPrefix(strings.TrimPrefix(c.name, c.of.prefix), "/")
}

// A group is checks that differ only in what they are about. It is one row of the table.
type group struct {
	prefix, title string
	expected      time.Duration // that a check takes, until one has run
	read          reader
}

const fuzzTime = 5 * time.Minute

var (
	crashMySQL   = group{"crash/mysql", "crash matrix on " + mysqlserver.MySQL.Name() + ", all trials of each scenario", 15 * time.Minute, readCrash}
	crashMariaDB = group{"crash/mariadb", "crash matrix on " + mysqlserver.MariaDB.Name() + ", the scenarios that differ there", 15 * time.Minute, readCrash}
	exploreTwo   = group{"explore", "explorer, all histories with at most two disturbances in each scenario", 10 * time.Minute, readExplore}
	exploreRows  = group{"rows-of-decide", "explorer, every row of `decide`, with one disturbance", 2 * time.Minute, readRows}
	policies     = group{"policies", "password policies, every policy by every way to every end", 10 * time.Minute, readPolicies}
	mutate       = group{"mutate", "mutations, each seen by a test", 15 * time.Minute, readMutate}
	fuzz         = group{"fuzz", "fuzzing, five minutes for each target", fuzzTime, readFuzz}
	busy         = group{"test-under-load", "`make test` three times, beside six busy processes", 30 * time.Minute, readTests(3)}
	race         = group{"race", "`make race`", 15 * time.Minute, readTests(1)}
)

// groups are all, in the order in which they run: what ends soon comes first.
var groups = []*group{&exploreRows, &mutate, &policies, &race, &busy, &fuzz, &crashMySQL, &crashMariaDB, &exploreTwo}

// allChecks returns every check of the module in dir.
func allChecks(dir string) ([]check, error) {
	targets, err := fuzzTargets(dir)
	if err != nil {
		return nil, err
	}
	var all []check
	for _, of := range groups {
		add := func(short, command string) {
			all = append(all, check{name: path.Join(of.prefix, short), command: command, of: of})
		}
		switch of {
		case &crashMySQL, &crashMariaDB:
			make, series := "mysql", mysqlserver.MySQL
			if of == &crashMariaDB {
				make, series = "mariadb", mysqlserver.MariaDB
			}
			for _, s := range crash.Scenarios {
				if s.RunsOn(series) {
					add(s.Name, fmt.Sprintf("go run ./cmd/crash -database %s -scenario %s", make, s.Name))
				}
			}
		case &exploreTwo:
			for _, s := range explore.Scenarios() {
				add(s.Name, fmt.Sprintf("go run ./cmd/explore -disturbances 2 -sample 0 -workers 1 -scenario '^%s$'", regexp.QuoteMeta(s.Name)))
			}
		case &exploreRows:
			add("", "make explore EXPLORE='-disturbances 1 -sample 1000'")
		case &policies:
			add("", "GOFLAGS=-v make policies") // -v names each rotation
		case &mutate:
			add("", "make mutate")
		case &fuzz:
			for _, target := range targets {
				add(strings.TrimPrefix(target, "./"), fmt.Sprintf("make fuzz FUZZTIME=%dm TARGET=%s", int(fuzzTime.Minutes()), target))
			}
		case &busy:
			add("", "make busy")
		case &race:
			add("", "GOFLAGS=-count=1 make race") // else go test repeats results that it has
		}
	}
	return all, nil
}

var fuzzFunc = regexp.MustCompile(`^func (Fuzz\w*)\(`)

// fuzzTargets returns the fuzz targets as `make fuzz` takes them: ./lambda:FuzzParse.
func fuzzTargets(dir string) (targets []string, err error) {
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "build" || file != dir && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in, err := filepath.Rel(dir, filepath.Dir(file))
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if m := fuzzFunc.FindStringSubmatch(lines.Text()); m != nil {
				targets = append(targets, "./"+filepath.ToSlash(in)+":"+m[1])
			}
		}
		return lines.Err()
	})
	slices.Sort(targets)
	return targets, err
}
