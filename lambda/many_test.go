package main

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// manySecrets is how many are rotated at once: 200 takes a minute, so the tests
// do with fewer.
var manySecrets = flag.Int("secrets", 12, "how many secrets are rotated at once")

// throttle lets so many of the function's calls through in each second, and
// counts what was stored.
type throttle struct {
	perSecond int

	mu        sync.Mutex
	second    time.Time
	let       int // in that second
	throttled int
	stored    map[string]int // PutSecretValue, by secret
}

func (th *throttle) decide(c wire.Call) wire.Fault {
	if c.Caller.Function == "" {
		return wire.Fault{}
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	if second := time.Now().Truncate(time.Second); second != th.second {
		th.second, th.let = second, 0
	}
	if th.let >= th.perSecond {
		th.throttled++
		return wire.Fault{Error: wire.Throttled()}
	}
	th.let++
	if c.Operation == "PutSecretValue" {
		th.stored[c.SecretID]++
	}
	return wire.Fault{}
}

func TestManySecretsAtOnceAreRotatedOnceEachHoweverOftenAWSThrottles(t *testing.T) {
	d := deploy(t)
	type account struct{ arn, user string }
	accounts := make([]account, *manySecrets)
	arns := make([]string, len(accounts))
	for i := range accounts {
		user := fmt.Sprint(d.User, "_", i)
		if err := d.MySQL.CreateUser(t.Context(), user, "%", d.Password, rig.Privileges...); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.MySQL.Admin().Exec("DROP USER ?", user) })
		arn, err := d.CreateSecret(t.Context(), fmt.Sprint("mautic-", i, "-secrets"),
			fmt.Sprintf(`{"engine":"mysql","host":%q,"port":%d,"username":%q,"password":%q}`, d.MySQL.Host(), d.MySQL.Port(), user, d.Password))
		if err != nil {
			t.Fatal(err)
		}
		accounts[i], arns[i] = account{arn, user}, arn
	}
	d.reconfigure(map[string]string{"SECRET_ARNS": strings.Join(arns, ",")})

	// A rotation takes some 20 calls, and all of them are begun at once.
	limit := &throttle{perSecond: max(20, len(accounts)/2), stored: map[string]int{}}
	d.AWS.Intercept(limit.decide)
	began := time.Now()
	var rotations sync.WaitGroup
	for _, a := range accounts {
		rotations.Go(func() {
			out, err := d.Secrets.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: &a.arn, RotationLambdaARN: &d.FunctionARN})
			if err == nil {
				err = d.AWS.SecretsManager.WaitRotation(t.Context(), a.arn, aws.ToString(out.VersionId))
			}
			if err != nil {
				t.Errorf("%s: %v", a.arn, err)
			}
		})
	}
	rotations.Wait()
	t.Logf("%d secrets in %s, %d calls throttled", len(accounts), time.Since(began).Round(time.Second/10), limit.throttled)
	d.AWS.Intercept(nil)
	if limit.throttled < len(accounts) {
		t.Errorf("only %d calls were throttled", limit.throttled)
	}
	for _, a := range accounts {
		state, err := d.AWS.SecretsManager.State(a.arn)
		if err != nil {
			t.Fatal(err)
		}
		if n := limit.stored[a.arn]; n != 1 || len(state.Versions) != 2 {
			t.Errorf("%s: a value was stored %d times, in %d versions", a.arn, n, len(state.Versions))
		}
		for _, value := range []string{state.Labelled("AWSCURRENT").Value, state.Labelled("AWSPREVIOUS").Value} {
			if err := d.MySQL.Login(t.Context(), a.user, passwordIn(t, value), ""); err != nil {
				t.Errorf("%s: %v", a.arn, err)
			}
		}
	}
}

func passwordIn(t *testing.T, value string) string {
	t.Helper()
	doc, err := document.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	password, err := doc.Text("/password")
	if err != nil {
		t.Fatal(err)
	}
	return password
}
