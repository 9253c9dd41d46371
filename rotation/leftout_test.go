package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
)

// What createSecret does about kinds that cannot be rotated now.

// cannot makes a kind one that cannot be rotated, and counts how often it is asked.
func (k *target) cannot(err error) *atomic.Int64 {
	var asked atomic.Int64
	k.refuses = func(context.Context) error {
		asked.Add(1)
		return err
	}
	return &asked
}

// measured keeps the values of one metric.
type measured struct {
	name   string
	values []float64
}

func (m *measured) Put(_ string, metrics ...rotation.Metric) {
	for _, metric := range metrics {
		if metric.Name == m.name {
			m.values = append(m.values, metric.Value)
		}
	}
}

// leftOut has the engine measure how many kinds are left out.
func (e *engine) leftOut() *measured {
	m := &measured{name: "KindsLeftOut"}
	e.reconfigure(func(c *rotation.Config) { c.Metrics = m })
	return m
}

// nothingPending checks that the next rotation can begin.
func (e *engine) nothingPending() {
	e.t.Helper()
	if id := e.version("AWSPENDING").ID; id != "" {
		e.t.Errorf("AWSPENDING is left on version %s: no rotation could begin", id)
	}
}

var errUnpublished = errors.New("the user is not published: publish it")

func TestAKindThatCannotBeRotatedIsLeftOutAndTheOthersGoOn(t *testing.T) {
	e := newEngine(t)
	m := e.leftOut()
	asked := e.admin.cannot(errUnpublished)
	e.mustRotate()
	e.expect("database-0 database-1", "api-0 api-1", "admin-0")
	if value := e.version("AWSCURRENT").Value; strings.Contains(value, `"admin": "20`) || !strings.Contains(value, `"webhook": "20`) {
		t.Errorf("AWSCURRENT is %s: what was left out is as old as before", value)
	}
	e.logSays("left out of this rotation, since it cannot be rotated now: " + errUnpublished.Error())
	e.logSays("notice=left-out")
	if fmt.Sprint(m.values) != "[1]" {
		t.Errorf("measured were %v", m.values)
	}
	if asked.Load() != 1 {
		t.Errorf("a target that has answered was asked %d times", asked.Load())
	}
}

func TestARotationByHandForWhatCannotBeRotatedIsGivenUpWithAllReasons(t *testing.T) {
	t.Parallel()
	const early = "webhook: it was just rotated: not before 20"
	for name, tc := range map[string]struct {
		words   string
		secret  string
		reasons []string
	}{
		"one by its name":           {words: "only.admin.", reasons: []string{"admin: " + errUnpublished.Error()}},
		"two by their names":        {words: "only.admin.webhook.", reasons: []string{"admin: " + errUnpublished.Error(), early}},
		"one beside one that can":   {words: "only.database.admin.", reasons: []string{"admin: " + errUnpublished.Error()}},
		"one that is too early":     {words: "only.webhook.", reasons: []string{early}},
		"all of a secret":           {words: "all.", secret: `{"admin": "admin-0", "webhook": "webhook-0"}`, reasons: []string{"admin: " + errUnpublished.Error(), early}},
		"all of a secret, wordless": {secret: `{"admin": "admin-0", "webhook": "webhook-0"}`, reasons: []string{"admin: " + errUnpublished.Error(), early}},
		"an emergency of it":        {words: "only.admin.emergency.", reasons: []string{"admin: " + errUnpublished.Error()}},
		"one that is not there":     {words: "only.api.", secret: `{"admin": "admin-0"}`, reasons: []string{"api: the secret has no such credential: it has admin"}},
	} {
		t.Run(name, func(t *testing.T) {
			smtp := newIssuer()
			e := newEngine(t, smtp)
			if tc.secret != "" {
				e.store(tc.secret)
			}
			e.admin.cannot(errUnpublished)
			e.webhook.early = true
			before := e.version("AWSCURRENT")
			err := e.rotate(tc.words + uuid)
			for _, reason := range append(tc.reasons, "This rotation is given up") {
				e.fails(err, reason)
			}
			if is := e.version("AWSCURRENT"); is.ID != before.ID || smtp.accepts() != "smtp-0" {
				t.Errorf("AWSCURRENT is %s, and accepted are %s", is.Value, smtp.accepts())
			}
			e.nothingPending()
			e.expect("database-0", "api-0", "admin-0")

			// The next one begins at once.
			e.admin.refuses, e.webhook.early = nil, false
			e.mustRotate()
			if e.current(&e.admin) != "admin-1" {
				t.Errorf("AWSCURRENT stores %s", e.current(&e.admin))
			}
		})
	}
}

func TestARotationByHandOfWhatIsOpenFailsAndIsGivenUp(t *testing.T) {
	e := newEngine(t)
	e.store(`{"database": "database-0", "api": "api-0"}`)
	e.mustRotate()
	for i, words := range []string{"", "all.", "only.api."} {
		err := e.rotate(words + strings.Replace(uuid, "3", fmt.Sprint(i), 1))
		e.fails(err, "api: its overlap is still open")
		e.nothingPending()
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-0")
}

func TestAScheduledRotationThatCanRotateNothingSucceedsAndChangesNothing(t *testing.T) {
	e := newEngine(t)
	e.store(`{"admin": "admin-0", "webhook": "webhook-0"}`)
	m := e.leftOut()
	e.due()
	e.webhook.early = true
	e.admin.cannot(errUnpublished)
	before := e.version("AWSCURRENT").Value
	e.mustRotate()
	if value := e.version("AWSCURRENT").Value; value != before {
		t.Errorf("AWSCURRENT is %s", value)
	}
	e.nothingPending()
	e.logSays("notice=left-out")
	e.logSays(`msg="not rotated: it was just rotated: not before 20`)
	if fmt.Sprint(m.values) != "[1]" {
		t.Errorf("measured were %v", m.values)
	}
}

func TestAnEmergencyRotatesWhatItCanAndTellsOfTheRest(t *testing.T) {
	e := newEngine(t)
	e.admin.cannot(errUnpublished)
	if err := e.rotate("only.admin.api.emergency." + uuid[:12]); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0", "api-1", "admin-0")
	e.logSays("and what may have leaked of it is still accepted: admin: " + errUnpublished.Error())
}

func TestAFaultThatMayPassIsGivenTheTimeTo(t *testing.T) {
	t.Parallel()
	unreachable := credential.Failf(credential.Unreachable, "no answer")
	for name, tc := range map[string]struct {
		err    error
		faults int64 // how often it shows
		asked  int64
		admin  string // what AWSCURRENT stores of it then
	}{
		"a connection that broke once":   {unreachable, 1, 2, "admin-1"},
		"one that breaks each time":      {unreachable, 9, 3, "admin-0"},
		"a target that says try again":   {&credential.Failure{Temporary: true, Problem: "busy"}, 2, 3, "admin-1"},
		"AWS asks for patience":          {fmt.Errorf("list: %w", &throttled{}), 1, 2, "admin-1"},
		"a refused login":                {credential.Failf(credential.Denied, "wrong"), 1, 1, "admin-0"},
		"an account that takes no login": {credential.Failf(credential.Locked, "locked"), 1, 1, "admin-0"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			var asked atomic.Int64
			e.admin.refuses = func(context.Context) error {
				if asked.Add(1) <= tc.faults {
					return tc.err
				}
				return nil
			}
			e.mustRotate()
			e.currentHolds("database-1", tc.admin)
			if asked.Load() != tc.asked {
				t.Errorf("it was asked %d times, want %d", asked.Load(), tc.asked)
			}
		})
	}
}

type throttled struct{}

func (*throttled) Error() string     { return "slow down" }
func (*throttled) ErrorCode() string { return "ThrottlingException" }

// createWithin runs createSecret in an invocation of so much time.
func (e *engine) createWithin(ctx context.Context, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return e.Rotate(ctx, rotation.Event{Step: rotation.CreateSecret, SecretID: e.arn, Token: e.version("AWSPENDING").ID}, e.logger(), &scrub.Secrets{})
}

func TestATargetThatHangsIsLeftOutAndLeavesTimeForTheOthers(t *testing.T) {
	e := newEngine(t)
	e.database.refuses = func(ctx context.Context) error {
		<-ctx.Done() // as long as it may
		return ctx.Err()
	}
	e.beforeStep(rotation.CreateSecret, func() error { return e.createWithin(t.Context(), 32*time.Second) })
	e.mustRotate()
	e.currentHolds("database-0", "admin-1")
	e.logSays("its target does not answer in time")
}

func TestAnInvocationThatEndsLeavesNoKindOut(t *testing.T) {
	e := newEngine(t)
	ctx, end := context.WithCancel(t.Context())
	e.database.refuses = func(context.Context) error {
		end()
		return ctx.Err()
	}
	e.beforeStep(rotation.CreateSecret, func() error {
		e.fails(e.createWithin(ctx, time.Hour), "context canceled")
		e.database.refuses = nil
		if e.version("AWSPENDING").ID == "" || e.version("AWSPENDING").HasValue {
			t.Error("the rotation was given up, or goes on without what it had no time for")
		}
		return nil
	})
	e.mustRotate()
	e.currentHolds("database-1", "admin-1")
	e.logSaysNot("left out")
}

// label puts a label on AWSCURRENT.
func (e *engine) label(label string) {
	e.t.Helper()
	_, err := e.secrets.UpdateSecretVersionStage(e.t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &e.arn, VersionStage: &label, MoveToVersionId: aws.String(e.version("AWSCURRENT").ID),
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

func TestALabelThatNoRotationCanFollowStandsInTheWayOfOneAtMost(t *testing.T) {
	t.Parallel()
	for label, reason := range map[string]string{
		"rotate;emergency":    "an emergency can only be asked for in the token",
		"rotate;only.databse": `"databse"`,
		"rotate;only.admin":   "admin: " + errUnpublished.Error(),
	} {
		t.Run(label, func(t *testing.T) {
			e := newEngine(t)
			e.admin.cannot(errUnpublished)
			e.label(label)
			e.fails(e.rotate(""), reason)
			e.nothingPending()
			if id := e.version(label).ID; id != "" {
				t.Errorf("the label is still on version %s", id)
			}
			// What the message says to do: start another one.
			if err := e.rotate("emergency." + uuid); err != nil {
				t.Fatal(err)
			}
			e.expect("database-1", "api-1", "admin-0")
		})
	}
}

func TestAbandonTakesALabelOffThatNoRotationCanFollow(t *testing.T) {
	e := newEngine(t)
	e.label("rotate;emergency")
	e.label("rotate;only.admin")
	if err := e.abandon(); err != nil {
		t.Fatal(err)
	}
	if e.version("rotate;emergency").ID != "" || e.version("rotate;only.admin").ID == "" {
		t.Errorf("the labels are %v", e.labels())
	}
	e.mustRotate()
	e.currentHolds("database-0", "admin-1")
}

func TestWordsThatNoRotationKnowsDoNotBlockTheNextOne(t *testing.T) {
	e := newEngine(t)
	e.fails(e.rotate("only.databse."+uuid), `"databse"`)
	e.nothingPending()
	e.mustRotate()
	e.currentHolds("database-1", "admin-1")
}

func TestWhatTheErrorSaysLeadsOutOfARotationThatWasTurnedOff(t *testing.T) {
	t.Parallel()
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
		t.Run(string(step), func(t *testing.T) {
			e := newEngine(t)
			e.beforeStep(step, func() error {
				_, err := e.secrets.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: &e.arn})
				return err
			})
			if err := e.rotate(""); err == nil {
				t.Fatal("it went on")
			}
			pending := e.version("AWSPENDING").ID
			_, err := e.secrets.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: &e.arn, RotationLambdaARN: &e.fn})
			e.fails(err, "A previous rotation isn't complete")
			e.fails(e.aws.SecretsManager.WaitRotation(t.Context(), e.arn, pending), "mautic-rotation abandon")

			if err := e.abandon(); err != nil {
				t.Fatal(err)
			}
			e.mustRotate()
			e.nothingPending()
			for _, k := range []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook} {
				if !k.takes(e.current(k)) || strings.HasSuffix(e.current(k), "-0") {
					t.Errorf("AWSCURRENT stores %s, and accepted are %s", e.current(k), k.accepts())
				}
			}
		})
	}
}

// Confirm says that the rotation may not go on. That is no fault of the credential that asked.
func TestARotationThatIsGivenUpWhileItMakesValuesStoresNone(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	e.services.stale = true // so that both keys stay
	e.mustRotate()
	given := 0
	smtp.at = func(method string) {
		if method == "generate" {
			given++
			if _, err := e.Abandon(t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
				t.Error(err)
			}
		}
	}
	e.fails(e.rotate("emergency."+uuid), "its rotation was given up")
	if given != 1 || smtp.accepts() != "smtp-0 smtp-1" {
		t.Errorf("given up %d times, and accepted are %s", given, smtp.accepts())
	}
	e.nothingPending()
	if strings.Contains(e.log.String(), "left out") {
		t.Error("the log says that a credential was left out")
	}
}
