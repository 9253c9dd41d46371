package contract

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"mautic-rotation/internal/contract/function"
)

// lambdaFacts are about Lambda.
func lambdaFacts() []Fact {
	return []Fact{
		{
			Name:      "How does an error come that the function returns?",
			Believed:  []string{"FunctionError Unhandled, with errorMessage"},
			DependsOn: "internal/operator/cloud/function.go shows errorMessage to people",
			Ask:       askError,
		},
		{
			Name:      "Which ARN is the function told that is invoked through an alias?",
			Believed:  []string{"the alias's ARN"},
			DependsOn: "lambda/function.go: the alias for looking refuses what changes anything",
			Ask: func(q *Question) Answer {
				out := q.invoke(function.Event{Task: function.Look}, readAlias, lambdatypes.InvocationTypeRequestResponse)
				var arn string
				_ = json.Unmarshal(out.Payload, &arn)
				if arn != q.a.functionARN+":"+readAlias {
					return Answer{"another ARN", arn}
				}
				return Answer{Is: "the alias's ARN"}
			},
		},
		{
			Name:     "How often is an event tried that fails, with MaximumRetryAttempts 0?",
			Believed: []string{"once"}, Takes: 6 * time.Minute,
			DependsOn: "template.yaml: EventInvokeConfig. A reconcile that fails is left to the next tick",
			Ask:       askEvent,
		},
		{
			Name:      "What handles two events at the same time?",
			Believed:  []string{"two environments, beside each other"},
			DependsOn: "rotation/database: locks at the server, for a rotation and a reconcile overlap",
			Ask:       askOverlap,
		},
	}
}

func askError(q *Question) Answer {
	out := q.invoke(function.Event{Task: function.Fail}, "", lambdatypes.InvocationTypeRequestResponse)
	var failure struct {
		Message string `json:"errorMessage"`
	}
	_ = json.Unmarshal(out.Payload, &failure)
	kind := aws.ToString(out.FunctionError)
	if failure.Message != function.Failure {
		return Answer{"FunctionError " + kind + ", without errorMessage", string(out.Payload)}
	}
	return Answer{Is: "FunctionError " + kind + ", with errorMessage"}
}

func askEvent(q *Question) Answer {
	mark := q.token("event-")
	mine := func(n function.Note) bool { return n.Mark == mark }
	q.invoke(function.Event{Task: function.Fail, Mark: mark}, "", lambdatypes.InvocationTypeEvent)
	q.until("the function has noted the event", func() bool { return len(q.notes(mine)) > 0 })
	q.pass(4 * time.Minute) // Lambda tries again after one minute, and after two more
	if n := len(q.notes(mine)); n != 1 {
		return Answer{Is: fmt.Sprintf("%d times", n)}
	}
	return Answer{Is: "once"}
}

// askOverlap invokes the function twice at once. A start that takes long might have the second wait for nobody, so it is tried
// again with longer stays.
func askOverlap(q *Question) Answer {
	for stay := q.a.place.Stay; q.err == nil && stay < 30*time.Second; stay *= 4 {
		mark := q.token("overlap-")
		var both sync.WaitGroup
		questions := [2]*Question{{ctx: q.ctx, a: q.a}, {ctx: q.ctx, a: q.a}}
		for _, each := range questions {
			both.Go(func() {
				each.invoke(function.Event{Task: function.Stay, For: stay, Mark: mark}, "", lambdatypes.InvocationTypeRequestResponse)
			})
		}
		both.Wait()
		q.must(questions[0].err)
		q.must(questions[1].err)
		var notes []function.Note
		q.until("the function has noted both events", func() bool {
			notes = q.notes(func(n function.Note) bool { return n.Mark == mark })
			return len(notes) >= 2
		})
		if q.err == nil && notes[0].Stream != notes[1].Stream {
			return Answer{Is: "two environments, beside each other"}
		}
	}
	return Answer{Is: "one environment, one after the other"}
}

// allows tells whether the function's role allows it a task with a secret.
func (q *Question) allows(task string, s *secret) bool {
	e := function.Event{Task: task, SecretID: s.arn, ClientRequestToken: q.token("")}
	out := q.invoke(e, "", lambdatypes.InvocationTypeRequestResponse)
	failed := aws.ToString(out.FunctionError) != ""
	if failed && !strings.Contains(string(out.Payload), "AccessDenied") {
		q.must(fmt.Errorf("%s by the function: %s", task, out.Payload))
	}
	return q.err == nil && !failed
}

// askNamedCondition has the function list the versions of a secret, before RotateSecret has named it and afterwards. That it
// may do so with another secret, without a condition, shows that the policy is in force.
func askNamedCondition(q *Question) Answer {
	control, s := q.secret(unnamedWord), q.rotating(namedWord)
	q.until("the function may list versions, by its role's policy", func() bool { return q.allows(function.List, control) })
	if q.allows(function.List, s) {
		return Answer{Is: "at once"}
	}
	s.rotate(rotation{token: q.token(""), test: true})
	s.awaitTest()
	for range 10 {
		if q.allows(function.List, s) {
			return Answer{Is: "once RotateSecret has named it"}
		}
		q.settle()
	}
	return Answer{Is: "never"}
}

// askRulesCondition has the function start rotations, for its role's policy grants that under a condition for one secret and
// another, and for a third one without.
func askRulesCondition(q *Question) Answer {
	secrets := map[string]*secret{}
	for _, word := range []string{rulesAnyWord, rulesFalseWord, rulesAbsentWord} {
		s := q.rotating(word)
		s.rotate(rotation{token: q.token(""), test: true})
		s.awaitTest()
		secrets[word] = s
	}
	allowed := func(word string) bool { return q.allows(function.Rotate, secrets[word]) }
	q.until("the function may start a rotation, by its role's policy", func() bool { return allowed(rulesAnyWord) })
	switch {
	case allowed(rulesFalseWord):
		return Answer{Is: "false"}
	case allowed(rulesAbsentWord):
		return Answer{Is: "absent"}
	}
	return Answer{Is: "true"}
}
