package main

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// manySecrets are rotated at once where AWS lets half as many calls a second
// through, by the build that is shipped. 200 take a minute.
var manySecrets = flag.Int("secrets", 0, "how many secrets are rotated at once by the build that is shipped, besides")

// throttle refuses some of the function's calls, and counts what was stored.
type throttle struct {
	refuses func(wire.Call) bool // is not called concurrently

	mu        sync.Mutex
	throttled int
	stored    map[string]int // PutSecretValue, by secret
}

// twoOfThree refuses as many of the calls of each process, so that each call
// takes three attempts.
func twoOfThree() func(wire.Call) bool {
	calls := map[string]int{} // by process
	return func(c wire.Call) bool {
		calls[c.Caller.Environment]++
		return calls[c.Caller.Environment]%3 != 0
	}
}

// inEachSecond lets so many calls through.
func inEachSecond(limit int) func(wire.Call) bool {
	var second time.Time
	let := 0
	return func(wire.Call) bool {
		if now := time.Now().Truncate(time.Second); now != second {
			second, let = now, 0
		}
		let++
		return let > limit
	}
}

func (th *throttle) decide(c wire.Call) wire.Fault {
	if c.Caller.Function == "" {
		return wire.Fault{}
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.refuses(c) {
		th.throttled++
		return wire.Fault{Error: wire.Throttled()}
	}
	if c.Operation == "PutSecretValue" {
		th.stored[c.SecretID]++
	}
	return wire.Fault{}
}

func TestManySecretsAtOnceAreRotatedOnceEachHoweverOftenAWSThrottles(t *testing.T) {
	t.Parallel()
	t.Run("two of three calls", func(t *testing.T) { rotateAtOnce(t, deploy(t), 12, twoOfThree()) })
	if n := *manySecrets; n > 0 {
		t.Run("at a rate", func(t *testing.T) { rotateAtOnce(t, deploy(t, shipped), n, inEachSecond(n/2)) })
	}
}

// rotateAtOnce rotates so many secrets while AWS throttles.
func rotateAtOnce(t *testing.T, d *deployment, many int, refuses func(wire.Call) bool) {
	users := map[string]string{} // by secret
	var arns []string
	for i := range many {
		user := fmt.Sprint(d.User, "_", i)
		arn := d.otherSecret(fmt.Sprint("mautic-", i, "-secrets"), user, rig.Privileges...)
		users[arn], arns = user, append(arns, arn)
	}
	d.reconfigure(map[string]string{"SECRET_ARNS": strings.Join(arns, ",")})

	limit := &throttle{refuses: refuses, stored: map[string]int{}}
	d.AWS.Intercept(limit.decide)
	began := time.Now()
	var rotations sync.WaitGroup
	for _, arn := range arns {
		rotations.Go(func() {
			if err := d.rotateSecret(arn); err != nil {
				t.Errorf("%s: %v", arn, err)
			}
		})
	}
	rotations.Wait()
	t.Logf("%d secrets in %s, %d calls throttled", len(arns), time.Since(began).Round(time.Second/10), limit.throttled)
	d.AWS.Intercept(nil)
	if limit.throttled < 5*len(arns) { // a rotation takes some 20 calls
		t.Errorf("only %d calls were throttled", limit.throttled)
	}
	for arn, user := range users {
		state, err := d.AWS.SecretsManager.State(arn)
		if err != nil {
			t.Fatal(err)
		}
		if n := limit.stored[arn]; n != 1 || len(state.Versions) != 2 {
			t.Errorf("%s: a value was stored %d times, in %d versions", arn, n, len(state.Versions))
		}
		for _, value := range []string{state.Labelled("AWSCURRENT").Value, state.Labelled("AWSPREVIOUS").Value} {
			if err := d.MySQL.Login(t.Context(), user, textAt(t, value, "/password"), ""); err != nil {
				t.Errorf("%s: %v", arn, err)
			}
		}
	}
}

// What the pauses of the SDK are is not asserted: they are random, from nothing on.
func TestACallThatAWSThrottlesIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options   []func(*rig.Options)
		throttled int64 // of the attempts at one call
		fails     bool
	}{
		"with the SDK's own pauses":              {[]func(*rig.Options){shipped}, 2, false},
		"as often as the function is to try":     {nil, awsAttempts - 1, false},
		"more often than the function is to try": {nil, awsAttempts, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, append(tc.options, neverRetried)...)
			var attempts atomic.Int64
			d.AWS.Intercept(func(c wire.Call) (fault wire.Fault) {
				if c.Operation == "PutSecretValue" && c.Caller.Function != "" && attempts.Add(1) <= tc.throttled {
					fault.Error = wire.Throttled()
				}
				return fault
			})
			_, err := d.Rotate(t.Context())
			if want := min(tc.throttled+1, awsAttempts); attempts.Load() != want {
				t.Errorf("%d attempts, want %d", attempts.Load(), want)
			}
			if tc.fails {
				wantError(t, err, "createSecret: store the pending version", "ThrottlingException")
			} else if err != nil {
				t.Error(err)
			}
			d.accepts(true, d.Password)
		})
	}
}
