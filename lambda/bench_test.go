package main

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// BenchmarkStart measures how long an environment takes from the start of the
// process to its first request for an invocation, for the function and beside
// it for a function that does nothing.
func BenchmarkStart(b *testing.B) {
	function, err := shippedBuild()
	if err != nil {
		b.Fatal(err)
	}
	bare := filepath.Join(b.TempDir(), "bare")
	build := exec.Command("go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=", "-o", bare, "./testdata/bare")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for name, path := range map[string]string{"function": function, "bare": bare} {
		b.Run(name, func(b *testing.B) { benchmarkStart(b, path) })
	}
}

func benchmarkStart(b *testing.B, path string) {
	var starts environments
	aws, err := localaws.Start(localaws.Options{Observe: starts.observe})
	if err != nil {
		b.Fatal(err)
	}
	defer aws.Close()
	_, err = aws.Lambda.CreateFunction(locallambda.Function{Name: "f", Binary: path, Env: map[string]string{"SECRET_ARNS": arn}, Timeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		if _, err := aws.Lambda.Invoke("f", []byte(`{}`)); err != nil {
			b.Fatal(err)
		}
		aws.Lambda.KillEnvironments("f")
	}
	if err := aws.Close(); err != nil { // all events have been delivered
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op") // dominated by what the stand-in does
	b.ReportMetric(starts.meanInit().Seconds()*1e3, "ms-to-first-next")
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
}

// environments collects what the stand-in tells of the function's processes.
type environments struct {
	mu      sync.Mutex
	inits   []time.Duration
	maxRSS  int64
	ofSteps map[string]time.Duration
}

func (e *environments) observe(event host.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch event := event.(type) {
	case locallambda.EnvironmentStarted:
		e.inits = append(e.inits, event.InitDuration)
	case locallambda.EnvironmentEnded:
		e.maxRSS = max(e.maxRSS, event.MaxRSS)
	case localsecretsmanager.StepFinished:
		if e.ofSteps == nil {
			e.ofSteps = map[string]time.Duration{}
		}
		e.ofSteps[event.Step] += event.Duration
	}
}

// forgetSteps leaves out what was measured of steps until now.
func (e *environments) forgetSteps() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ofSteps = nil
}

func (e *environments) meanInit() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	var sum time.Duration
	for _, d := range e.inits {
		sum += d
	}
	return sum / time.Duration(max(len(e.inits), 1))
}

// BenchmarkRotation measures what a database-only rotation costs, as a whole
// and in each step: time, calls to AWS, logins at the server and how many of
// them the server refused.
func BenchmarkRotation(b *testing.B) {
	var observed environments
	r := oneService(b, time.Hour, localaws.Options{Observe: observed.observe})
	observed.forgetSteps() // of the secret's first rotation
	var rotating, ending counts
	calls := map[string]float64{}
	count := func(of string, first int) {
		steps, list := callsOf(r, first)
		for step, n := range steps {
			if step != "" {
				calls[step] += float64(n)
			}
		}
		calls[of] += float64(len(list))
	}
	for b.Loop() {
		before, first := countNow(b, r), len(r.AWS.Calls())
		if _, err := r.Rotate(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		count("all-steps", first)
		between, first := countNow(b, r), len(r.AWS.Calls())
		if err := r.Settle(b.Context()); err != nil {
			b.Fatal(err)
		}
		count("what-follows-until-retired", first)
		rotating.add(before, between)
		ending.add(between, countNow(b, r))
		first = len(r.AWS.Calls())
		if err := r.Reconcile(); err != nil {
			b.Fatal(err)
		}
		count("an-idle-reconcile", first)
		b.StartTimer()
	}
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(rotating.logins/n, "logins/op")
	b.ReportMetric(rotating.refused/n, "refused-logins/op")
	b.ReportMetric(ending.logins/n, "logins-to-the-end/op")
	b.ReportMetric(ending.refused/n, "refused-logins-to-the-end/op")
	for of, count := range calls {
		b.ReportMetric(count/n, "AWS-calls-in-"+of+"/op")
	}
	if err := r.AWS.Close(); err != nil { // the processes have ended
		b.Fatal(err)
	}
	for step, took := range observed.ofSteps {
		b.ReportMetric(took.Seconds()*1e3/n, "ms-in-"+step+"/op")
	}
	b.ReportMetric(float64(observed.maxRSS)/1e6, "MB-peak-memory")
}

// BenchmarkReconciles counts the calls to AWS of each reconcile that follows a rotation
// whose old value is observed for an hour.
func BenchmarkReconciles(b *testing.B) {
	r := oneService(b, 50*time.Millisecond, localaws.Options{})
	calls := map[string]float64{}
	for b.Loop() {
		inSeveralTicks(b, r, func(what string, _ int, reconcile func() error) {
			first := len(r.AWS.Calls())
			if err := reconcile(); err != nil {
				b.Fatal(err)
			}
			_, list := callsOf(r, first)
			calls[what] += float64(len(list))
		})
	}
	b.ReportMetric(0, "ns/op") // most of it is what the tasks take
	for when, count := range calls {
		b.ReportMetric(count/float64(b.N), "AWS-calls-in-"+when+"/op")
	}
}

// BenchmarkEmergency measures the time from RotateSecret until the old password is
// refused, with a time that each call to AWS takes on the way.
func BenchmarkEmergency(b *testing.B) {
	const onTheWay = 10 * time.Millisecond
	r := oneService(b, time.Hour, localaws.Options{})
	r.AWS.Intercept(func(c wire.Call) (f wire.Fault) {
		if c.Caller.Function != "" {
			f.Before = func() { time.Sleep(onTheWay) }
		}
		return f
	})
	var longest, all time.Duration
	calls := 0
	for b.Loop() {
		old, err := r.PasswordLabelled("AWSCURRENT")
		if err != nil {
			b.Fatal(err)
		}
		token, began, first := "emergency."+rand.Text(), time.Now(), len(r.AWS.Calls())
		refused := make(chan time.Duration, 1)
		go func() {
			for r.MySQL.Accepts(b.Context(), r.User, old, r.Database) == nil {
				time.Sleep(time.Millisecond)
			}
			refused <- time.Since(began)
		}()
		if _, err := r.Secrets.RotateSecret(b.Context(), &sm.RotateSecretInput{SecretId: &r.SecretARN, RotationLambdaARN: &r.FunctionARN, ClientRequestToken: &token}); err != nil {
			b.Fatal(err)
		}
		took := <-refused
		_, list := callsOf(r, first)
		calls += len(list)
		all, longest = all+took, max(longest, took)
		if err := r.AWS.SecretsManager.WaitRotation(b.Context(), r.SecretARN, token); err != nil {
			b.Fatal(err)
		}
		if err := r.Login(b.Context(), old); err == nil {
			b.Fatal("the old password is accepted")
		}
		if err := r.Settle(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op") // dominated by what follows
	b.ReportMetric(all.Seconds()*1e3/float64(b.N), "ms-until-the-old-password-is-refused/op")
	b.ReportMetric(longest.Seconds()*1e3, "ms-at-most")
	b.ReportMetric(float64(calls)/float64(b.N), "AWS-calls-until-then/op")
}

// counts are of the function's logins: the application, which counts its own,
// uses the same account.
type counts struct{ logins, refused float64 }

func (c *counts) add(before, after counts) {
	c.logins += after.logins - before.logins
	c.refused += after.refused - before.refused
}

// countNow asks the server, which has no other users.
func countNow(b *testing.B, r *rig.Rig) (now counts) {
	b.Helper()
	admin := r.MySQL.Admin()
	err := admin.QueryRow("SELECT COALESCE(SUM(TOTAL_CONNECTIONS), 0) FROM performance_schema.accounts WHERE USER = ?", r.User).Scan(&now.logins)
	if err != nil {
		b.Fatal(err)
	}
	err = admin.QueryRow("SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Aborted_connects'").Scan(&now.refused)
	if err != nil {
		b.Fatal(err)
	}
	application, _ := r.Application().Logins()
	now.logins -= float64(application)
	return now
}
