package rotation_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
)

// reconciled reconciles, and returns the answer.
func (e *engine) reconciled() report.Secret {
	e.t.Helper()
	found, err := e.Reconcile(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	if err != nil {
		e.t.Fatal(err)
	}
	return found
}

// watched gives each of the targets a watch, and returns what they were asked for since.
func (e *engine) watched() *[]string {
	var asked []string
	for _, k := range []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook} {
		k.at = func(method string) { asked = append(asked, k.name+" "+method) }
	}
	return &asked
}

// written are the calls since the first ones that wrote something.
func (e *engine) written(first int) (calls []string) {
	for _, c := range e.aws.Calls()[first:] {
		if c.Operation != "DescribeSecret" && c.Operation != "GetSecretValue" {
			calls = append(calls, c.Operation+" "+c.Detail)
		}
	}
	return calls
}

// status asks how the secret stands, which has to change nothing and to ask no target.
func (e *engine) status() report.Secret {
	e.t.Helper()
	before, asked, redeployed := len(e.aws.Calls()), e.watched(), e.services.times
	found := e.Status(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	if calls := e.written(before); len(calls) > 0 || len(*asked) > 0 || e.services.times != redeployed {
		e.t.Errorf("status made the calls %v, asked %v, and redeployed %d times", calls, *asked, e.services.times-redeployed)
	}
	return found
}

// credentialOf is what an answer has of a kind.
func credentialOf(t tester, found report.Secret, kind string) report.Credential {
	t.Helper()
	at := slices.IndexFunc(found.Credentials, func(c report.Credential) bool { return c.Kind == kind })
	if at < 0 {
		t.Fatalf("there is no %s in %+v", kind, found)
	}
	return found.Credentials[at]
}

func TestAnAnswerTellsOfWhatIsOpen(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.stale = true
	old, current := e.version("AWSPREVIOUS").ID, e.version("AWSCURRENT").ID

	waits := e.reconciled()
	if r := waits.Rollout; r == nil || r.Converged != nil || r.Deadline == nil || !r.Promoted || r.Health != "not observed" ||
		len(r.Services) != 1 || r.Services[0].Fresh != 1 || len(r.Services[0].Older) != 1 {
		t.Errorf("the rollout is %+v", r)
	}
	db := credentialOf(t, waits, "database")
	if db.Version != current || db.State != "proven" || db.From != "rotated_at" || len(db.Old) != 1 {
		t.Fatalf("the database's credential is %+v", db)
	}
	if o := db.Old[0]; o.Version != old || o.State != "old" || o.AcceptedSince == nil || o.Next != "wait" || !strings.Contains(o.Why, "until the rollout has converged") || o.Until != nil {
		t.Errorf("its old value is %+v", o)
	}
	if admin := credentialOf(t, waits, "admin"); len(admin.Old) != 1 || admin.Old[0].AcceptedSince != nil {
		t.Errorf("a target that accepts one value has %+v", admin)
	}
	if len(waits.Needs) != 0 || !slices.ContainsFunc(waits.Waiting, func(w report.Entry) bool { return strings.Contains(w.Text, "old tasks are left") }) {
		t.Errorf("it waits for %+v, and needs %+v", waits.Waiting, waits.Needs)
	}

	e.services.stale = false
	e.database.use = func(credential.Overlap) (string, error) { return "10.0.3.7", nil }
	e.reconciled()
	held := e.reconciled()
	if len(held.Needs) != 1 || held.Needs[0].Kind != "database" || held.Needs[0].Version != old || !strings.Contains(held.Needs[0].Remedy, "send release") {
		t.Errorf("needed is %+v", held.Needs)
	}
	if o := credentialOf(t, held, "database").Old; len(o) != 1 || o[0].State != "held" || o[0].Next != "alarm" || o[0].Remedy != held.Needs[0].Remedy {
		t.Errorf("the old values are %+v", o)
	}
	api := credentialOf(t, held, "api")
	if len(api.Old) != 1 || api.Old[0].Until == nil || api.Old[0].Until.Before(held.At.Add(6*day)) {
		t.Errorf("the API client's old values are %+v", api.Old)
	}
	if !strings.Contains(e.log.String(), `remedy="find what uses the old value`) {
		t.Error("the log has no remedy")
	}
}

func TestWithNothingOpenAReconcileMakesOneCallAndAnswersWithWhatThatTells(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()
	before := len(e.aws.Calls())
	found := e.reconciled()
	if calls := len(e.aws.Calls()) - before; calls != 1 {
		t.Errorf("it made %d calls", calls)
	}
	if len(found.Credentials)+len(found.Waiting)+len(found.Needs) != 0 || found.Rollout == nil || found.Rollout.Converged == nil || len(found.Labels) == 0 || !found.Schedule.Enabled {
		t.Errorf("it answers %+v", found)
	}
}

func TestTheStatusTellsHowASecretStandsAndChangesNothing(t *testing.T) {
	e := newEngine(t)
	adopted := e.status() // before the first rotation
	if adopted.Error != "" || len(adopted.Credentials) != 4 || adopted.Rollout != nil || adopted.Rotation != nil || adopted.Schedule.Enabled {
		t.Errorf("before the first rotation: %+v", adopted)
	}
	if db := credentialOf(t, adopted, "database"); db.From != "version" || db.RotatedAt.IsZero() || db.State != "" || db.Due != nil || db.EverySeconds != 0 {
		t.Errorf("its database credential is %+v", db)
	}

	e.mustRotate()
	e.services.stale = true
	open := e.status()
	if r := open.Rollout; open.Error != "" || r == nil || len(r.Services) != 1 || len(r.Services[0].Older) != 1 || r.Health != "not observed" {
		t.Errorf("while a task is left: %+v", open)
	}
	if o := credentialOf(t, open, "database").Old; len(o) != 1 || o[0].Next == "" || o[0].Why == "" {
		t.Errorf("old values: %+v", o)
	}
	for _, l := range open.Labels {
		ours := strings.HasPrefix(l.Label, "rotation;")
		if ours != (l.Means != "") || len(l.Version) < 32 || l.Created == nil {
			t.Errorf("a label: %+v", l)
		}
	}

	e.services.stale = false
	e.aws.Clock().Advance(8 * day)
	// The rollout has converged, as a reconcile would note now.
	due := e.status()
	if !slices.ContainsFunc(due.Waiting, func(w report.Entry) bool { return w.What != "" }) {
		t.Errorf("nothing is to be done next: %+v", due.Waiting)
	}
	for range 2 {
		e.reconcile()
	}
	idle := e.status()
	if idle.Error != "" || len(idle.Waiting)+len(idle.Needs) != 0 || len(idle.Credentials) != 4 || len(idle.Rollout.Services) != 1 || idle.Rollout.Services[0].Fresh != 1 {
		t.Errorf("with nothing open: %+v", idle)
	}
	for _, c := range idle.Credentials {
		if c.State != "proven" || c.StateSince == nil || len(c.Old) != 0 || c.Problem != "" {
			t.Errorf("a credential: %+v", c)
		}
	}
}

func TestTheStatusTellsOfARotationThatIsUnderWay(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.aws.Clock().Advance(8 * day)
	for range 2 {
		e.reconcile()
	}
	e.admin.broken = true
	e.fails(e.rotate("only.admin."+uuid), "it does not work")
	found := e.status()
	r := found.Rotation
	if found.Error != "" || r == nil || r.Version != "only.admin."+uuid || !slices.Equal(r.Kinds, []string{"admin"}) || r.Since == nil || r.Emergency {
		t.Errorf("under way is %+v; %+v", r, found)
	}
	if o := credentialOf(t, found, "admin").Old; len(o) != 1 || o[0].State != "pending" || o[0].Next != "wait" {
		t.Errorf("the values besides AWSCURRENT's are %+v", o)
	}
}

func TestTheStatusTellsOfAValueThatWasRolledBack(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	e.reconcile()
	e.services.failing = false
	e.aws.Clock().Advance(8 * day)
	for range 4 {
		e.reconcile()
	}
	for what, found := range map[string]report.Secret{"status": e.status(), "reconcile": e.reconciled()} {
		if !found.Schedule.HeldOff {
			t.Errorf("%s: the schedule is not held off: %+v", what, found.Schedule)
		}
		if what == "reconcile" {
			continue // which has read no document
		}
		if o := credentialOf(t, found, "database").Old; len(o) != 1 || o[0].State != "failed" || o[0].Next != "wait" || !strings.Contains(o[0].Why, "rolled back") || o[0].AcceptedSince != nil {
			t.Errorf("the old values are %+v", o)
		}
	}
}

func TestTheStatusOfASecretThatCannotBeLookedAtSaysWhyAndHasTheRest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		spoil  func(e *engine)
		error  string
		labels bool // are told all the same
	}{
		{"it is not there", func(e *engine) { e.arn += "x" }, "describe the secret", false},
		{"a label cannot be understood", func(e *engine) {
			e.label("rotation;9;deadbeef")
		}, "cannot understand", true},
		{"a version cannot be read", func(e *engine) {
			e.aws.Intercept(func(c wire.Call) (f wire.Fault) {
				if c.Operation == "GetSecretValue" {
					f.Error = &wire.Error{Code: "AccessDeniedException", Message: "kms:Decrypt", Status: 400}
				}
				return f
			})
		}, "kms:Decrypt", true},
		{"a kind is not set up any more", func(e *engine) {
			e.reconfigure(func(c *rotation.Config) { c.Kinds = c.Kinds[1:] })
		}, `this function has no kind "database"`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEngine(t)
			e.mustRotate()
			tc.spoil(e)
			found := e.status()
			if !strings.Contains(found.Error, tc.error) || (len(found.Labels) > 0) != tc.labels || (found.Schedule != nil) != tc.labels {
				t.Errorf("it answers %+v", found)
			}
		})
	}
}

// asksIfItSwaps is a kind that has to ask its target whether it accepts two values.
type asksIfItSwaps struct {
	*pair
	asked int
}

func (k *asksIfItSwaps) Swaps(context.Context, credential.Overlap) (bool, error) {
	k.asked++
	return false, nil
}

func TestTheStatusAsksNoTargetWhetherItAcceptsTwoValues(t *testing.T) {
	e := newEngine(t)
	asks := &asksIfItSwaps{pair: &e.database}
	e.reconfigure(func(c *rotation.Config) { c.Kinds = []credential.Kind{asks, &e.api, &e.admin, &e.webhook} })
	e.mustRotate()
	before := asks.asked
	if found := e.status(); found.Error != "" || asks.asked != before {
		t.Errorf("asked %d times: %+v", asks.asked-before, found)
	}
	e.services.stale = true
	e.reconcile()
	if asks.asked == before {
		t.Error("a reconcile does not ask either")
	}
}

// tag puts the tag of a pause on the secret.
func (e *engine) tag(value string) {
	e.t.Helper()
	if _, err := e.secrets.TagResource(e.t.Context(), &sm.TagResourceInput{SecretId: &e.arn, Tags: []types.Tag{{Key: aws.String(plan.PauseTag), Value: &value}}}); err != nil {
		e.t.Fatal(err)
	}
}

func TestTheStatusTellsOfThePauseAndWhenEachCredentialIsDue(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) { c.Every = map[string]time.Duration{"database": 90 * day, "api": 20 * day} })
	e.mustRotate()
	e.scheduleWith(types.RotationRulesType{ScheduleExpression: aws.String("rate(30 days)")})
	found := e.status()
	next := found.Schedule.Next
	if next == nil || found.Schedule.Expression != "rate(30 days)" || found.Schedule.Paused {
		t.Fatalf("the schedule is %+v", found.Schedule)
	}
	db, api := credentialOf(t, found, "database"), credentialOf(t, found, "api")
	if want := next.Add(60 * day); db.Due == nil || !db.Due.Equal(want) || db.EverySeconds != int64(90*day/time.Second) || db.GreatestAgeSeconds != int64(db.Due.Sub(db.RotatedAt)/time.Second) {
		t.Errorf("the database's is %+v, want it due at %s", db, want)
	}
	if api.Due == nil || !api.Due.Equal(*next) || api.GreatestAgeSeconds > int64(31*day/time.Second) {
		t.Errorf("the API client is %+v, want it due at %s", api, next)
	}
	until := found.At.Add(100 * day).Truncate(time.Second)
	e.tag(until.Format(time.RFC3339))
	found = e.status()
	if !found.Schedule.Paused || !found.Schedule.PausedUntil.Equal(until) || !credentialOf(t, found, "api").Due.Equal(next.Add(90*day)) {
		t.Errorf("paused: %+v, %+v", found.Schedule, credentialOf(t, found, "api"))
	}
	e.tag("until resumed")
	found = e.status()
	if !found.Schedule.Paused || found.Schedule.PausedUntil != nil || credentialOf(t, found, "api").Due != nil || len(found.Needs) != 0 {
		t.Errorf("paused without an end: %+v", found)
	}
	e.tag("next week")
	found = e.status()
	if !found.Schedule.Paused || len(found.Needs) != 1 || found.Needs[0].Remedy == "" || !strings.Contains(found.Needs[0].Text, `"next week"`) {
		t.Errorf("paused by what is no time: %+v", found)
	}
}

// TestTheWordsForALabelAreThoseOfTheDocs: who reads them in an answer finds them in the page.
func TestTheWordsForALabelAreThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(page(t, "operate.md"), "`", "")
	words := regexp.MustCompile(`(?m)^\t(?:(\w+): +|means\w+ += )"(.*)"`).FindAllStringSubmatch(source(t, "answer.go")+source(t, "ledger/words.go"), -1)
	if len(words) != 17 {
		t.Fatalf("%d texts were found", len(words))
	}
	for _, w := range words {
		if row := fmt.Sprintf("| %s |", strings.ToLower(w[1])); w[1] != "" && !strings.Contains(text, row) {
			t.Errorf("docs/operate.md has no row %s", row)
		}
		if !strings.Contains(strings.ToLower(text), strings.ToLower(w[2])) {
			t.Errorf("docs/operate.md does not say %q", w[2])
		}
	}
}

// TestTheStatusTellsWhatTheLabelsSayOfASecretThatCannotBeReadWholly: whoever looks has to see
// what is open.
func TestTheStatusTellsWhatTheLabelsSayOfASecretThatCannotBeReadWholly(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.label("rotation;9;of-a-newer-release")
	found := e.status()
	if !strings.Contains(found.Error, "cannot understand") {
		t.Errorf("the error is %q", found.Error)
	}
	if old := credentialOf(t, found, "api").Old; len(old) != 1 || old[0].State != "old" || old[0].Next == "" || old[0].Why == "" {
		t.Errorf("of the API client it tells %+v", old)
	}
}
