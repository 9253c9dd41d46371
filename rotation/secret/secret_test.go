package secret_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/secret"
)

// machine is a clock that stands still, and on which waiting takes no time.
type machine struct {
	now   time.Time
	waits []time.Duration
}

func (m *machine) Now() time.Time { return m.now }

func (m *machine) Wait(ctx context.Context, d time.Duration) error {
	m.waits = append(m.waits, d)
	return ctx.Err()
}

// invocation is one, of a secret in a stand-in for AWS.
type invocation struct {
	*testing.T
	aws     *localaws.Server
	client  *sm.Client
	arn     string
	current string
	learnt  []string
	machine machine

	read  *secret.Reader
	write *secret.Writer
	time  *secret.AWSClock
}

const (
	first  = "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
	second = "9c11b2aa-5a0e-4d0c-9f57-0123456789ab"
)

func begin(t *testing.T) *invocation {
	t.Helper()
	t.Parallel()
	server, err := localaws.Start(localaws.Options{RotationRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	v := &invocation{T: t, aws: server, machine: machine{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}}
	v.client = sm.NewFromConfig(server.Config(), func(o *sm.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	})
	out, err := v.client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String(`{"n": "0"}`), ClientRequestToken: aws.String(first)})
	if err != nil {
		t.Fatal(err)
	}
	v.arn, v.current = *out.ARN, *out.VersionId
	v.read, v.write, v.time = secret.Open(secret.Config{
		API: v.client, ARN: v.arn, Clock: &v.machine, ReadPause: time.Second, Second: time.Second,
		Learn: func(d document.Document) { v.learnt = append(v.learnt, d.Raw()) },
	})
	return v
}

// must fails the test for an error.
func (v *invocation) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

// says fails the test unless an error says something.
func (v *invocation) says(err error, what string) {
	v.Helper()
	if err == nil || !strings.Contains(err.Error(), what) {
		v.Errorf("got error %v, want one that says %q", err, what)
	}
}

func (v *invocation) describe() secret.Metadata {
	v.Helper()
	m, err := v.read.Describe(v.Context())
	v.must(err)
	return m
}

// put stores the second version, and tells whether it did.
func (v *invocation) put(text string, labels ...string) bool {
	v.Helper()
	doc, err := document.Parse(text)
	v.must(err)
	stored, err := v.write.Put(v.Context(), secret.NewVersion{ID: second, Doc: doc, Labels: labels})
	v.must(err)
	return stored
}

// calls counts those of an operation so far.
func (v *invocation) calls(operation string) (n int) {
	for _, c := range v.aws.Calls() {
		if c.Operation == operation && c.SecretID == v.arn {
			n++
		}
	}
	return n
}

// on has a fault come over each call of an operation from now on.
func (v *invocation) on(operation string, fault wire.Fault) {
	v.aws.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == operation {
			return fault
		}
		return wire.Fault{}
	})
}

// lag has the next reads show the secret as it was before the latest write.
func (v *invocation) lag(reads int) {
	v.aws.SecretsManager.SetVariants(localsecretsmanager.Variants{StaleReads: localsecretsmanager.StaleReads{Reads: reads}})
}

func TestWhatAnInvocationKnowsHasTheLabelsThatItHasMovedAndIsNotFresh(t *testing.T) {
	v := begin(t)
	if _, known := v.read.Known(); known || v.read.Fresh() {
		t.Error("a secret is known that was not read")
	}
	before := v.describe()
	if !v.read.Fresh() {
		t.Error("what was just read is not fresh")
	}
	v.must(v.write.MoveLabel(t.Context(), "mine", v.current, ""))
	if v.read.Fresh() {
		t.Error("after a write, what is known is fresh")
	}
	v.must(v.write.MoveLabel(t.Context(), "yours", v.current, ""))
	v.must(v.write.MoveLabel(t.Context(), "mine", "", v.current))
	m, known := v.read.Known()
	if got := m.Labels[v.current]; !known || !slices.Equal(got, []string{"AWSCURRENT", "yours"}) {
		t.Errorf("known are %v", got)
	}
	if len(before.Labels[v.current]) != 1 {
		t.Errorf("what was told before has changed: %v", before.Labels)
	}
	if n := v.calls("DescribeSecret"); n != 1 {
		t.Errorf("the secret was read %d times", n)
	}
	v.describe()
	v.read.Outdate()
	if _, known := v.read.Known(); !known || v.read.Fresh() {
		t.Error("what is outdated is fresh, or forgotten")
	}
}

func TestWhatIsKnownIsForgottenAfterAWriteThatMayHaveChangedMore(t *testing.T) {
	for name, write := range map[string]func(v *invocation){
		"a version was stored": func(v *invocation) { v.put(`{"n": "1"}`, "AWSPENDING") },
		"AWSCURRENT was moved, and the secret cannot be read": func(v *invocation) {
			v.on("DescribeSecret", wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "refused on purpose"}})
			_, err := v.write.MoveCurrent(v.Context(), v.current, v.current)
			v.says(err, "refused on purpose")
		},
		"a label was refused, and the secret cannot be read": func(v *invocation) {
			v.on("DescribeSecret", wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "refused on purpose"}})
			v.says(v.write.MoveLabel(v.Context(), "mine", "", v.current), "move the staging label mine")
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := begin(t)
			v.describe()
			write(v)
			if m, known := v.read.Known(); known || v.read.Fresh() {
				t.Errorf("known is %v", m)
			}
		})
	}
}

func TestAWriteWhoseReplyIsLostHasSucceeded(t *testing.T) {
	v := begin(t)
	v.put(`{"n": "1"}`, "AWSPENDING")
	v.on("UpdateSecretVersionStage", wire.Fault{LoseReply: true})
	v.must(v.write.MoveLabel(t.Context(), "AWSPENDING", "", second))
	moved, err := v.write.MoveCurrent(t.Context(), v.current, second)
	v.must(err)
	if moved {
		t.Error("it is said for sure who has moved AWSCURRENT")
	}
	if at := v.describe().Labels.Version(secret.Current); at != second {
		t.Errorf("AWSCURRENT is on %s", at)
	}
}

func TestAWSCURRENTIsMovedOnlyFromWhereItIs(t *testing.T) {
	v := begin(t)
	v.put(`{"n": "1"}`, "mine")
	moved, err := v.write.MoveCurrent(t.Context(), second, second)
	v.says(err, "AWSCURRENT is on version "+v.current)
	if moved || v.describe().Labels.Version(secret.Current) != v.current {
		t.Error("it was moved")
	}
	moved, err = v.write.MoveCurrent(t.Context(), v.current, second)
	v.must(err)
	if !moved || v.describe().Labels.Version(secret.Current) != second {
		t.Error("it was not moved")
	}
}

func TestAMoveOfAWSCURRENTIsReadBackUntilReadsDoNotLag(t *testing.T) {
	v := begin(t)
	v.put(`{"n": "1"}`, "mine")
	v.lag(3)
	if moved, err := v.write.MoveCurrent(t.Context(), v.current, second); err != nil || !moved {
		t.Errorf("moved: %v, %v", moved, err)
	}
	if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}; !slices.Equal(v.machine.waits, want) {
		t.Errorf("it was waited for %v, want %v", v.machine.waits, want)
	}
	v.machine.waits = nil
	v.lag(100)
	_, err := v.write.MoveCurrent(t.Context(), second, v.current)
	v.says(err, "read back that AWSCURRENT has moved")
	if len(v.machine.waits) != 5 {
		t.Errorf("it was waited %d times", len(v.machine.waits))
	}
}

func TestAVersionIsReadOnceAndItsLabelsEachTime(t *testing.T) {
	v := begin(t)
	if _, seen := v.read.Seen(v.current); seen {
		t.Error("a version was seen that was not read")
	}
	current, err := v.read.Current(t.Context(), "")
	v.must(err)
	again, err := v.read.Version(t.Context(), v.current)
	v.must(err)
	if again.Doc.Raw() != `{"n": "0"}` || current.ID != v.current || !again.Created.Equal(current.Created) || again.Created.IsZero() {
		t.Errorf("got %+v and %+v", current, again)
	}
	if n := v.calls("GetSecretValue"); n != 1 {
		t.Errorf("it was read %d times", n)
	}
	if _, err := v.read.Read(t.Context(), v.current, secret.Pending); !secret.IsMissing(err) {
		t.Errorf("a version is read by a label that is not on it: %v", err)
	}
	if len(v.machine.waits) > 0 {
		t.Errorf("it was waited for: %v", v.machine.waits)
	}
	_, err = v.read.Await(t.Context(), v.current, secret.Pending)
	if !secret.IsMissing(err) || len(v.machine.waits) != 5 {
		t.Errorf("waited %d times: %v", len(v.machine.waits), err)
	}
}

func TestAValueThatIsNoJSONObjectIsAnErrorWithARemedy(t *testing.T) {
	for name, value := range map[string]sm.PutSecretValueInput{
		"SecretBinary":        {SecretBinary: []byte("x")},
		"store a JSON object": {SecretString: aws.String("hunter2")},
	} {
		t.Run(name, func(t *testing.T) {
			v := begin(t)
			value.SecretId = &v.arn
			_, err := v.client.PutSecretValue(t.Context(), &value)
			v.must(err)
			_, err = v.read.Current(t.Context(), "")
			v.says(err, name)
			v.says(err, "read the AWSCURRENT version")
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error has the value")
			}
		})
	}
}

func TestEveryDocumentIsLearntBeforeAnybodyElseHasIt(t *testing.T) {
	v := begin(t)
	v.on("PutSecretValue", wire.Fault{Before: func() {
		if !slices.Contains(v.learnt, `{"n": "1"}`) {
			t.Error("a document is sent that was not learnt")
		}
	}})
	v.put(`{"n": "1"}`, "mine")
	_, err := v.read.Current(t.Context(), v.current)
	v.must(err)
	if want := []string{`{"n": "1"}`, `{"n": "0"}`}; !slices.Equal(v.learnt, want) {
		t.Errorf("learnt are %v, want %v", v.learnt, want)
	}
}

func TestAVersionIsStoredOnceAndNeverChanged(t *testing.T) {
	v := begin(t)
	for range 2 {
		if !v.put(`{"n": "1"}`, "AWSPENDING", "mine") {
			t.Error("it was not stored")
		}
	}
	if v.put(`{"n": "2"}`, "AWSPENDING") {
		t.Error("it was stored with another value")
	}
	got, err := v.read.Read(t.Context(), second, secret.Pending)
	v.must(err)
	slices.Sort(got.Labels)
	if got.Doc.Raw() != `{"n": "1"}` || !slices.Equal(got.Labels, []string{"AWSPENDING", "mine"}) {
		t.Errorf("got %v with %v", got.Doc.Raw(), got.Labels)
	}
	v.on("PutSecretValue", wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "refused on purpose"}})
	stored, err := v.write.Put(t.Context(), secret.NewVersion{ID: strings.Repeat("x", 32), Doc: got.Doc, Labels: []string{"yours"}})
	v.says(err, "refused on purpose")
	if stored {
		t.Error("it was stored")
	}
}

func TestALabelIsWrittenBeforeThoseThatItReplacesAreTakenOff(t *testing.T) {
	for _, tc := range []struct {
		name, label string
		old         []string
		want        string // the moves
		left        []string
	}{
		{"another", "c", []string{"a", "b"}, "+c -a -b", []string{"AWSCURRENT", "c"}},
		{"one of them", "b", []string{"a", "b"}, "-a", []string{"AWSCURRENT", "b"}},
		{"the first", "a", nil, "+a", []string{"AWSCURRENT", "a", "b"}},
		{"none", "", []string{"a", "b"}, "-a -b", []string{"AWSCURRENT"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := begin(t)
			for _, label := range []string{"a", "b"} {
				v.must(v.write.MoveLabel(t.Context(), label, v.current, ""))
			}
			before := len(v.aws.Calls())
			v.must(v.write.Relabel(t.Context(), v.current, tc.label, tc.old))
			var moves []string
			for _, c := range v.aws.Calls()[before:] {
				way := "+"
				if strings.Contains(c.Detail, "RemoveFromVersionId") {
					way = "-"
				}
				_, label, _ := strings.Cut(c.Detail, "VersionStage=")
				moves = append(moves, way+label[:1])
			}
			if got := strings.Join(moves, " "); got != tc.want {
				t.Errorf("the moves are %s, want %s", got, tc.want)
			}
			left := v.describe().Labels[v.current]
			if slices.Sort(left); !slices.Equal(left, tc.left) {
				t.Errorf("left are %v, want %v", left, tc.left)
			}
		})
	}
}

func TestAVersionThatMayLagIsWaitedForAndOneThatDoesNotComeIsNoError(t *testing.T) {
	v := begin(t)
	v.lag(2)
	v.put(`{"n": "1"}`, "AWSPENDING")
	m, err := v.read.DescribeWith(t.Context(), second)
	v.must(err)
	if len(m.Labels[second]) != 1 || len(v.machine.waits) != 2 {
		t.Errorf("after %d waits: %v", len(v.machine.waits), m.Labels)
	}
	v.machine.waits = nil
	if m, err = v.read.DescribeWith(t.Context(), strings.Repeat("x", 32)); err != nil || m.Labels.Version(secret.Current) != v.current || len(v.machine.waits) != 5 {
		t.Errorf("after %d waits: %v, %v", len(v.machine.waits), m.Labels, err)
	}
	v.on("DescribeSecret", wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "refused on purpose"}})
	_, err = v.read.DescribeWith(t.Context(), second)
	v.says(err, "refused on purpose")
}

// described answers DescribeSecret.
type described struct {
	secret.API
	sm.DescribeSecretOutput
}

func (d described) DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error) {
	return &d.DescribeSecretOutput, nil
}

func TestASecretTellsItsScheduleInItsOwnWordsAndWhoRotatesIt(t *testing.T) {
	t.Parallel()
	last := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		answer sm.DescribeSecretOutput
		want   secret.Metadata
	}{
		{},
		{sm.DescribeSecretOutput{OwningService: aws.String("rds")}, secret.Metadata{OwningService: "rds"}},
		{
			sm.DescribeSecretOutput{
				RotationEnabled: aws.Bool(true), LastRotatedDate: &last, NextRotationDate: aws.Time(last.Add(time.Hour)),
				RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("rate(4 hours)"), Duration: aws.String("3h")},
			},
			secret.Metadata{RotationEnabled: true, Schedule: secret.Schedule{Expression: "rate(4 hours)", Window: "3h", Last: last, Next: last.Add(time.Hour)}},
		},
		{
			sm.DescribeSecretOutput{RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}},
			secret.Metadata{Schedule: secret.Schedule{Days: 30}},
		},
		{
			sm.DescribeSecretOutput{Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}, {Key: aws.String("empty")}}},
			secret.Metadata{Tags: map[string]string{"team": "web", "empty": ""}},
		},
	} {
		read, _, _ := secret.Open(secret.Config{API: described{DescribeSecretOutput: tc.answer}, ARN: "arn", Clock: secret.MachineClock{}})
		if got, err := read.Describe(t.Context()); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
		}
	}
}

func TestAWSsClockGoesOnFromItsLastReply(t *testing.T) {
	v := begin(t)
	at := v.describe().At
	if !v.time.Told().Equal(at) || !v.time.Now().Equal(at) || at.Nanosecond() != 0 {
		t.Errorf("told %s, now %s, read at %s", v.time.Told(), v.time.Now(), at)
	}
	v.machine.now = v.machine.now.Add(90 * time.Second)
	if !v.time.Told().Equal(at) || !v.time.Now().Equal(at.Add(90*time.Second)) {
		t.Errorf("told %s, now %s, read at %s", v.time.Told(), v.time.Now(), at)
	}
	v.read.Outdate()
	if m, _ := v.read.Known(); !m.At.Equal(at.Add(90 * time.Second)) {
		t.Errorf("what is known is of %s", m.At)
	}
}

func TestASecondThatAWSHasToldIsWaitedOut(t *testing.T) {
	v := begin(t)
	at := v.describe().At
	v.machine.now = v.machine.now.Add(300 * time.Millisecond)
	for ahead, want := range map[time.Duration]time.Duration{
		-time.Hour: 700 * time.Millisecond, 0: 700 * time.Millisecond, time.Second: 700 * time.Millisecond, 3 * time.Second: 2700 * time.Millisecond,
	} {
		v.machine.waits = nil
		v.must(v.time.Await(t.Context(), at.Add(ahead)))
		if len(v.machine.waits) != 1 || v.machine.waits[0] != want {
			t.Errorf("%s ahead: waited for %v, want %s", ahead, v.machine.waits, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.time.Await(ended, at); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
