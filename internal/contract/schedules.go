package contract

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// scheduleFacts are about rotations that a schedule starts.
func scheduleFacts() []Fact {
	return []Fact{
		{
			Name:      "Which time of the next window is NextRotationDate?",
			Believed:  []string{"the end"},
			DependsOn: "rotation/plan/schedule.go: a rotation is a scheduled one from a window before that date on",
			Ask:       askWindow,
		},
		{
			Name:     "When does NextRotationDate move on?",
			Believed: []string{"when a rotation has succeeded", "when a rotation starts"}, Open: true, Takes: 80 * time.Minute,
			DependsOn: "rotation/plan/schedule.go: Starts, which counts a date in the past as due",
			Ask:       askNextDate,
		},
		{
			Name:      "What becomes of RotateSecret with a rate under 4 hours?",
			Believed:  []string{"refused: InvalidParameterException"},
			DependsOn: "template.yaml: the pattern of ScheduleExpression refuses it before Secrets Manager does",
			Ask: func(q *Question) Answer {
				s := q.rotating("often")
				s.rotate(rotation{token: q.token(""), test: true, rules: every("rate(4 hours)", "")})
				s.awaitTest()
				return Answer{Is: q.refusal(s.tryRotate(rotation{token: q.token(""), test: true, rules: every("rate(3 hours)", "")}))}
			},
		},
		{
			Name:      "What does a test-only RotateSecret do after CancelRotateSecret?",
			Believed:  []string{"turns the schedule on again"},
			DependsOn: "docs/operate.md: what turns a schedule on again",
			Ask:       askCancelled,
		},
	}
}

func every(expression, window string) *types.RotationRulesType {
	rules := &types.RotationRulesType{ScheduleExpression: &expression}
	if window != "" {
		rules.Duration = &window
	}
	return rules
}

// awaitTest waits until the test-only rotation that was started last is over.
func (s *secret) awaitTest() {
	s.q.pass(max(s.q.a.place.Settle, time.Millisecond))
	s.q.until("the test of a rotation is over", func() bool { return holder(s.described(), "AWSPENDING") == "" })
}

func askWindow(q *Question) Answer {
	s := q.rotating("window")
	now := q.a.place.Now().UTC()
	hour := (now.Hour() + 6) % 24 // hours away, and so that the window ends within the day
	if hour > 20 {
		hour = 3
	}
	s.rotate(rotation{token: q.token(""), test: true, rules: every(fmt.Sprintf("cron(0 %d * * ? *)", hour), "2h")})
	q.settle()
	next := s.described().NextRotationDate
	begins := time.Date(now.Year(), now.Month(), now.Day(), hour, 0, 0, 0, time.UTC)
	if !begins.After(now) {
		begins = begins.AddDate(0, 0, 1)
	}
	ends := begins.Add(2 * time.Hour)
	switch {
	case next == nil:
		return Answer{Is: "not told"}
	case next.Sub(ends).Abs() <= time.Minute:
		return Answer{Is: "the end"}
	case next.Sub(begins).Abs() <= time.Minute:
		return Answer{Is: "the beginning"}
	}
	return Answer{"another time", fmt.Sprintf("%s after its beginning", Words(next.Sub(begins)))}
}

// askNextDate rotates in the hour after the one in which the schedule was set: then the next window is another one.
func askNextDate(q *Question) Answer {
	s := q.failing("next", "createSecret")
	s.rotate(rotation{token: q.token(""), test: true, rules: every("rate(4 hours)", "1h")})
	s.awaitTest()
	set := aws.ToTime(s.described().NextRotationDate)
	now := q.a.place.Now()
	q.pass(now.Truncate(time.Hour).Add(time.Hour + time.Minute).Sub(now))

	token := q.token("")
	s.rotate(rotation{token: token})
	s.awaitStep(token, "createSecret")
	q.settle()
	if started := aws.ToTime(s.described().NextRotationDate); !started.Equal(set) {
		return Answer{"when a rotation starts", "by " + Words(started.Sub(set))}
	}
	q.must(s.move("AWSPENDING", "", token)) // first, or an attempt that goes well might come in between
	s.mend()
	next := q.token("")
	if is := q.refusal(s.tryRotate(rotation{token: next})); is != "taken" {
		q.must(fmt.Errorf("RotateSecret, after AWSPENDING was taken off: %s", is))
	}
	s.awaitEnd(next)
	if ended := aws.ToTime(s.described().NextRotationDate); !ended.Equal(set) {
		return Answer{"when a rotation has succeeded", "by " + Words(ended.Sub(set))}
	}
	return Answer{Is: "neither when a rotation starts nor when it has succeeded"}
}

func askCancelled(q *Question) Answer {
	s := q.rotating("cancelled")
	s.rotate(rotation{token: q.token(""), test: true, rules: every("rate(30 days)", "")})
	s.awaitTest()
	if q.err != nil {
		return Answer{}
	}
	_, err := q.a.secrets.CancelRotateSecret(q.ctx, &secretsmanager.CancelRotateSecretInput{SecretId: &s.arn})
	q.must(err)
	q.settle()
	if aws.ToBool(s.described().RotationEnabled) {
		return Answer{Is: "follows a schedule that was not cancelled"}
	}
	s.rotate(rotation{token: q.token(""), test: true})
	q.settle()
	if aws.ToBool(s.described().RotationEnabled) {
		return Answer{Is: "turns the schedule on again"}
	}
	return Answer{Is: "leaves the schedule off"}
}
