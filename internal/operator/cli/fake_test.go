package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/rotation/report"
)

const secretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func minutes(n int) *time.Time { t := noon.Add(time.Duration(n) * time.Minute); return &t }

// fake is AWS with one stack, or several. Its answers are given; what it is asked is kept.
type fake struct {
	t       *testing.T
	now     time.Time
	stacks  []cloud.Stack
	answers map[string][]report.Report // by action; the last one stays
	faults  map[string]error           // by action, or by method
	lines   []cloud.Line
	by      map[string]string
	asked   []string // in order: "status", "release <arn>", "rotate <token>", …
	token   string   // of the last rotation
	onPause func(*fake)
	onAsk   func(*fake) // before the answer
	cancel  context.CancelFunc
}

func newFake(t *testing.T, answers map[string][]report.Report) *fake {
	return &fake{t: t, now: noon, answers: answers, faults: map[string]error{}, by: map[string]string{},
		stacks: []cloud.Stack{{Name: "prod", Function: "arn:aws:lambda:eu-west-1:123456789012:function:mautic-rotation-prod", LogGroup: "/mautic-rotation/prod"}}}
}

func (f *fake) Find(_ context.Context, name string) (cloud.Stack, error) {
	return f.stacks[0], f.faults["find"]
}
func (f *fake) All(context.Context) ([]cloud.Stack, error) { return f.stacks, f.faults["all"] }

func (f *fake) Ask(_ context.Context, function string, a cloud.Action) (report.Report, error) {
	f.asked = append(f.asked, strings.TrimSpace(a.Name+" "+a.Secret))
	if f.onAsk != nil {
		f.onAsk(f)
	}
	if reads := a.Name == "status" || a.Name == "preflight" || a.Name == "verify"; reads == a.Changes {
		f.t.Errorf("%s was sent as one that changes something: %v", a.Name, a.Changes)
	}
	for _, key := range []string{a.Name, function} {
		if err := f.faults[key]; err != nil {
			return report.Report{}, err
		}
	}
	list := f.answers[a.Name]
	if len(list) == 0 {
		list = f.answers[function]
	}
	if len(list) == 0 {
		f.t.Fatalf("no answer to %s", a.Name)
	}
	if len(list) > 1 {
		f.answers[a.Name] = list[1:]
	}
	answer := list[0]
	answer.Secrets = append([]report.Secret(nil), answer.Secrets...)
	for i, s := range answer.Secrets {
		answer.Secrets[i] = named(s, f.token)
	}
	return answer, nil
}

// named puts the rotation's token where a report says "TOKEN".
func named(s report.Secret, token string) report.Secret {
	if s.Rotation != nil && s.Rotation.Version == "TOKEN" {
		r := *s.Rotation
		r.Version = token
		s.Rotation = &r
	}
	s.Credentials = append([]report.Credential(nil), s.Credentials...)
	for i := range s.Credentials {
		if s.Credentials[i].Version == "TOKEN" {
			s.Credentials[i].Version = token
		}
	}
	return s
}

func (f *fake) Rotate(_ context.Context, _, token string) error {
	f.token = token
	f.asked = append(f.asked, "rotate "+token)
	return f.faults["rotate"]
}

func (f *fake) Tag(_ context.Context, arn, key, value string) error {
	f.asked = append(f.asked, "tag "+arn+" "+key+"="+value)
	return f.faults["tag"]
}

func (f *fake) Untag(_ context.Context, arn, key string) error {
	f.asked = append(f.asked, "untag "+arn+" "+key)
	return f.faults["untag"]
}

func (f *fake) Lines(_ context.Context, _, _ string, since time.Time) (lines []cloud.Line, err error) {
	for _, line := range f.lines {
		if line.At.IsZero() || !line.At.Before(since) {
			lines = append(lines, line)
		}
	}
	return lines, f.faults["lines"]
}

func (f *fake) Changes(context.Context, string, time.Time, time.Time) ([]cloud.Line, bool, error) {
	return f.lines, f.faults["cut"] != nil, f.faults["lines"]
}

func (f *fake) Rotations(context.Context, time.Time, time.Time) (map[string]string, error) {
	return f.by, f.faults["trail"]
}

func (f *fake) Quota(context.Context) (cloud.Quota, error) {
	return cloud.Quota{Most: 50000, Sent: 45000, PerSecond: 14}, f.faults["quota"]
}

func (f *fake) Statistics(context.Context) (cloud.Statistics, error) {
	return cloud.Statistics{Attempts: 1000, Bounces: 10}, f.faults["statistics"]
}

// A session is what one command showed and ended with.
type session struct {
	out, messages string
	code          fault.Code
}

// run runs a command whose questions are answered as given; "" is nobody's answer.
func (f *fake) run(answer string, args ...string) session {
	var out, messages bytes.Buffer
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	f.cancel = cancel
	pauses := 0
	code := Main(ctx, &Env{
		Args: args, Getenv: func(string) string { return "" }, In: strings.NewReader(answer + "\n"), Out: &out, Messages: &messages,
		Asks: answer != "", Version: "test", Now: func() time.Time { return f.now },
		Pause: func(ctx context.Context, d time.Duration) error {
			if pauses++; pauses > 100 {
				return errors.New("it goes on for ever")
			}
			f.now = f.now.Add(d)
			if f.onPause != nil {
				f.onPause(f)
			}
			return ctx.Err()
		},
		Connect: func(context.Context, string, string) (AWS, error) {
			return AWS{Region: "eu-west-1", Stacks: f, Function: f, Secrets: f, Log: f, Trail: f, Mail: f}, f.faults["connect"]
		},
	})
	return session{out.String(), messages.String(), code}
}

// secret is one that stands well.
func secret() report.Secret {
	return report.Secret{
		ARN: secretARN, Name: "mautic-prod-secrets",
		Credentials: []report.Credential{{Kind: "database", Version: "11111111-5f6d-4c1b-9d1e-2f3a4b5c6d7e", RotatedAt: *minutes(-14400), From: "rotated_at", State: "proven",
			EverySeconds: 90 * 86400, Due: minutes(115200), GreatestAgeSeconds: 97 * 86400}},
		Schedule: &report.Schedule{Enabled: true, Expression: "rate(30 days)", Window: "1h", Next: minutes(28800)},
	}
}

// standing is the status of secrets.
func standing(secrets ...report.Secret) report.Report {
	return report.Report{Schema: report.Schema, Action: "status", At: noon, Secrets: secrets}
}

// with is a secret that stands well, but for a change.
func with(change func(*report.Secret)) report.Secret {
	s := secret()
	change(&s)
	return s
}

func held() report.Secret {
	return with(func(s *report.Secret) {
		s.Credentials[0].Old = []report.Old{{Version: "00000000-5f6d-4c1b-9d1e-2f3a4b5c6d7e", State: "held", AcceptedSince: minutes(-90), Next: "alarm"}}
		s.Needs = []report.Entry{{Kind: "database", Version: "00000000-5f6d-4c1b-9d1e-2f3a4b5c6d7e", Text: "held, since something still uses it", Remedy: "find what uses it, fix it, then send release"}}
	})
}

// rotated has the new version as AWSCURRENT, with so many new tasks of two.
func rotated(fresh int, converged bool) report.Secret {
	return with(func(s *report.Secret) {
		s.Credentials[0].Version = "TOKEN"
		s.Credentials[0].Old = []report.Old{{Version: "11111111-5f6d-4c1b-9d1e-2f3a4b5c6d7e", State: "old", AcceptedSince: minutes(1), Next: "wait"}}
		s.Rollout = &report.Rollout{Since: *minutes(1), Promoted: true, Services: []report.Service{{Name: "mautic-web", Desired: 2, Fresh: fresh}}}
		if converged {
			s.Rollout.Converged = minutes(4)
		}
	})
}

func beingRotated() report.Secret {
	return with(func(s *report.Secret) { s.Rotation = &report.Rotation{Version: "TOKEN", Kinds: []string{"database"}} })
}
