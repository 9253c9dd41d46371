// The race detector makes ML-KEM dear, and the tests are not about how a key is
// agreed on. The build that is shipped keeps it.

//go:debug tlsmlkem=0
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation"
)

// The tests deploy the function in two builds.
//
// Most of them deploy this test program itself, which the stand-in for Lambda
// starts as the function's executable: it runs what main runs. So the race
// detector watches the function too (a report of its fails the test that the
// process belongs to), and its pauses are those of quick.
//
// The option shipped deploys what `make build` makes, with the timing that it
// has on AWS but for WATCH_SECONDS. See there for which tests take it, and why.

// timingVariable makes this program the function, with a timing in JSON.
const timingVariable = "ROTATION_TEST_TIMING"

// quick is the timing of the function under test. A watch that sees nothing
// takes all its time; see patient.
var quick = timing{
	Pauses: rotation.Pauses{Read: time.Millisecond, Health: time.Millisecond},
	Watch:  20 * time.Millisecond, Look: 10 * time.Millisecond,
	SMTP: 10 * time.Millisecond, RDS: 10 * time.Millisecond, Backoff: 10 * time.Millisecond,
	HashCost: bcrypt.MinCost, // the race detector makes the least cost that users may set take a second
}

// patient is for tests in which a watch has to see something: it ends as soon as
// it does, however busy the machine is. An invocation's time of a minute lets it
// be no longer.
var patient = func() timing {
	t := quick
	t.Watch = 15 * time.Second
	return t
}()

// String is the value of timingVariable.
func (t timing) String() string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // durations
	}
	return string(text)
}

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(timingVariable); ok {
		var t timing
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			fmt.Fprintln(os.Stderr, timingVariable+":", err)
			os.Exit(1)
		}
		if !watchesForRaces {
			lighten()
		}
		serve(t)
		os.Exit(1) // not reached: the function ends with its environment
	}
	debug.SetGCPercent(400) // the tests' heap is small, so that it would be collected over and over
	mysqltest.Main(cleaning{m})
}

// lighten makes the function under test take a quarter less of the processors' time:
// what a second thread would do beside the first there is mostly to look for work.
// The race detector is to have as many threads as there are.
func lighten() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(800)
}

// shippedBuild is what `make build` makes, built once for all tests.
var shippedBuild = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mautic-rotation-")
	if err != nil {
		return "", err
	}
	shippedDir = dir
	return rig.BuildFunction(context.Background(), dir)
})

var shippedDir string

// cleaning ends what the tests share.
type cleaning struct{ tests *testing.M }

func (c cleaning) Run() int {
	code := c.tests.Run()
	for _, err := range []error{exclusive.close(), os.RemoveAll(shippedDir)} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}
