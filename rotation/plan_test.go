package rotation

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

const (
	tokenID = "token-0123456789-0123456789-0123"
	otherID = "other-0123456789-0123456789-0123"
)

func TestGuardDecidesByTheSecretsMetadata(t *testing.T) {
	for _, tc := range []struct {
		name      string
		metadata  metadata
		want      stage
		wantError string
	}{
		{
			name:     "pending",
			metadata: metadata{rotationEnabled: true, labels: map[string][]string{tokenID: {"AWSPENDING"}, otherID: {"AWSCURRENT"}}},
			want:     stage{currentID: otherID},
		},
		{
			name:     "pending, beside labels of others",
			metadata: metadata{rotationEnabled: true, labels: map[string][]string{tokenID: {"a", "AWSPENDING"}, otherID: {"b", "AWSCURRENT", "c"}}},
			want:     stage{currentID: otherID},
		},
		{
			name:     "promoted",
			metadata: metadata{rotationEnabled: true, labels: map[string][]string{tokenID: {"AWSCURRENT"}, otherID: {"AWSPREVIOUS"}}},
			want:     stage{currentID: tokenID, promoted: true},
		},
		{
			name:     "promoted, with AWSPENDING left on it",
			metadata: metadata{rotationEnabled: true, labels: map[string][]string{tokenID: {"AWSCURRENT", "AWSPENDING"}}},
			want:     stage{currentID: tokenID, promoted: true},
		},
		{
			name:      "owned by a service",
			metadata:  metadata{owningService: "rds", rotationEnabled: true, labels: map[string][]string{tokenID: {"AWSPENDING"}}},
			wantError: "owned by the service rds",
		},
		{
			name:      "rotation off",
			metadata:  metadata{labels: map[string][]string{tokenID: {"AWSPREVIOUS"}, otherID: {"AWSCURRENT"}}},
			wantError: "rotation is not enabled",
		},
		{
			name:      "turned off during the rotation",
			metadata:  metadata{labels: map[string][]string{tokenID: {"AWSPENDING"}, otherID: {"AWSCURRENT"}}},
			wantError: `{"Action": "abandon"`,
		},
		{
			name:      "unknown token",
			metadata:  metadata{rotationEnabled: true, labels: map[string][]string{otherID: {"AWSCURRENT"}}},
			wantError: "the secret has no version " + tokenID,
		},
		{
			name:      "given up",
			metadata:  metadata{rotationEnabled: true, labels: map[string][]string{tokenID: {"AWSPREVIOUS"}, otherID: {"AWSCURRENT"}}},
			wantError: "is not AWSPENDING",
		},
		{
			name:      "nothing current",
			metadata:  metadata{rotationEnabled: true, labels: map[string][]string{tokenID: {"AWSPENDING"}}},
			wantError: "no AWSCURRENT version",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := guard(tc.metadata, tokenID)
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if (err == nil) != (tc.wantError == "") || err != nil && !strings.Contains(err.Error(), tc.wantError) {
				t.Errorf("got error %v, want %q", err, tc.wantError)
			}
		})
	}
}

// fieldKind is a kind that owns fixed fields, as far as the plan looks at one.
type fieldKind struct {
	credential.Kind
	name   string
	fields []document.Pointer
}

func (k fieldKind) Name() string { return k.name }

func (k fieldKind) Fields(d document.Document) (found []document.Pointer, err error) {
	for _, field := range k.fields {
		has, err := d.Has(field)
		if err != nil {
			return nil, err
		}
		if has {
			found = append(found, field)
		}
	}
	return found, nil
}

func parse(t *testing.T, value string) document.Document {
	t.Helper()
	d, err := document.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAPendingDocumentMustComeOfTheCurrentOne(t *testing.T) {
	database := fieldKind{name: "database", fields: []document.Pointer{"/db"}}
	smtp := fieldKind{name: "smtp", fields: []document.Pointer{"/mail/user", "/mail/password"}}
	const current = `{"db":"a","mail":{"user":"u","password":"p"},"rest":1}`
	for _, tc := range []struct {
		name, current, pending string
		made                   []credential.Kind
		edited                 bool
	}{
		{name: "nothing", current: current, pending: current},
		{name: "one", current: current, pending: strings.Replace(current, `"a"`, `"b"`, 1), made: []credential.Kind{database}},
		{name: "one of several fields", current: current, pending: strings.Replace(current, `"p"`, `"q"`, 1), made: []credential.Kind{smtp}},
		{name: "all", current: current, pending: `{"db":"b","mail":{"user":"v","password":"q"},"rest":1}`, made: []credential.Kind{database, smtp}},
		{name: "a kind that was not made", current: current, pending: `{"db":"b","mail":{"user":"v","password":"q"},"rest":1}`, made: []credential.Kind{database}, edited: true},
		{name: "the same value written otherwise", current: current, pending: strings.Replace(current, `"a"`, `"\u0061"`, 1), edited: true},
		{name: "a field that was added", current: `{"db":"a","mail":{"user":"u"}}`, pending: `{"db":"a","mail":{"user":"u", "password": "p"}}`, made: []credential.Kind{smtp}, edited: true},
		{name: "a field of nobody's", current: current, pending: strings.Replace(current, `1}`, `2}`, 1), edited: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := editedMeanwhile(tc.made, parse(t, tc.current), parse(t, tc.pending)); (err != nil) != tc.edited {
				t.Errorf("edited meanwhile: %v, want %v", err, tc.edited)
			}
		})
	}
}

func TestARetryEndsWithSuccessWithAnotherErrorOrAfterItsAttempts(t *testing.T) {
	r := retry{attempts: 4, pause: time.Microsecond, clock: realClock{}}
	lag, other := lagging{errors.New("not yet")}, errors.New("no")
	for _, tc := range []struct {
		name    string
		answers []error // the last one goes on
		want    error
		calls   int
	}{
		{"at once", []error{nil}, nil, 1},
		{"after a while", []error{lag, lag, nil}, nil, 3},
		{"never", []error{lag}, lag, 4},
		{"for good", []error{lag, other}, other, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls := 0
			err := r.do(t.Context(), func() error {
				calls++
				return tc.answers[min(calls, len(tc.answers))-1]
			})
			if !errors.Is(err, tc.want) || calls != tc.calls {
				t.Errorf("got %v after %d calls, want %v after %d", err, calls, tc.want, tc.calls)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (retry{attempts: 9, pause: time.Hour, clock: realClock{}}).do(ended, func() error { return lag }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestEnoughTimeLooksAtTheDeadline(t *testing.T) {
	if err := enoughTime(context.Background()); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
	for left, want := range map[time.Duration]bool{timeToChange + time.Minute: true, timeToChange / 2: false} {
		ctx, cancel := context.WithTimeout(context.Background(), left)
		if err := enoughTime(ctx); (err == nil) != want || !want && !errors.Is(err, ErrTooLittleTime) {
			t.Errorf("with %s left: %v", left, err)
		}
		if err := (&run{Rotator: &Rotator{}}).enoughTimeToWatch(ctx); (err == nil) != want || !want && !errors.Is(err, ErrTooLittleTime) {
			t.Errorf("for a watch, with %s left: %v", left, err)
		}
		cancel()
	}
}

func TestARotationInTheSchedulesWindowOrPastItIsScheduled(t *testing.T) {
	end := began.Add(48 * time.Hour)
	days := &types.RotationRulesType{ScheduleExpression: aws.String("rate(90 days)")}
	for _, tc := range []struct {
		name  string
		rules *types.RotationRulesType
		next  time.Time
		now   time.Time
		want  bool
	}{
		{"no schedule", nil, time.Time{}, began, false},
		{"before the window", days, end, end.Add(-25 * time.Hour), false},
		{"within it", days, end, end.Add(-23 * time.Hour), true},
		{"by a clock that is behind", days, end, end.Add(-24*time.Hour - time.Minute), true},
		{"past it, after failures", days, end, end.Add(24 * time.Hour), true},
		{"before a window of its own", &types.RotationRulesType{Duration: aws.String("3h")}, end, end.Add(-4 * time.Hour), false},
		{"within a window of its own", &types.RotationRulesType{Duration: aws.String("3h")}, end, end.Add(-2 * time.Hour), true},
		{"before that of a schedule in hours", &types.RotationRulesType{ScheduleExpression: aws.String("rate(4 hours)")}, end, end.Add(-2 * time.Hour), false},
		{"within that of a schedule in hours", &types.RotationRulesType{ScheduleExpression: aws.String("rate(4 hours)")}, end, end.Add(-time.Minute), true},
	} {
		if got := (metadata{now: tc.now, next: tc.next, window: windowOf(tc.rules)}).scheduled(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
