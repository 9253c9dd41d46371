package contract

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/contract/function"
)

// rotationFacts are about rotations that somebody starts.
func rotationFacts() []Fact {
	return []Fact{
		{
			Name:     "Is AWSPENDING on the token when RotateSecret answers?",
			Believed: []string{"already", "not yet"}, Open: true,
			DependsOn: "rotation/secret/reader.go: DescribeWith waits for a version that is not there yet",
			Ask:       func(q *Question) Answer { return Answer{Is: q.plain().atOnce} },
		},
		{
			Name:      "Which value has the token's version, with AWSPENDING, at createSecret?",
			Believed:  []string{"none"},
			DependsOn: "rotation/steps.go: createSecret stores a value unless there is one",
			Ask: func(q *Question) Answer {
				n := firstStep(q.plain().notes, "createSecret")
				if !n.Pending {
					return Answer{Is: n.Value + ", and AWSPENDING is not on it"}
				}
				return Answer{Is: n.Value}
			},
		},
		{
			Name:      "For which steps does a rotation that goes well invoke the function?",
			Believed:  []string{"createSecret, setSecret, testSecret, finishSecret"},
			DependsOn: "rotation/steps.go",
			Ask:       func(q *Question) Answer { return Answer{Is: steps(q.plain().notes)} },
		},
		{
			Name:      "By which name is the function invoked for a step, and with which of the secret?",
			Believed:  []string{"its plain ARN, with the secret's whole ARN"},
			DependsOn: "lambda/function.go: the alias for looking refuses steps; lambda/settings.go compares ARNs",
			Ask: func(q *Question) Answer {
				p := q.plain()
				if n := firstStep(p.notes, "createSecret"); n.InvokedAs != q.a.functionARN {
					return Answer{Is: "another name", Detail: n.InvokedAs}
				}
				return Answer{Is: "its plain ARN, with the secret's whole ARN"} // the notes are found by it
			},
		},
		{
			Name:     "Does the event of a step have a RotationToken?",
			Believed: []string{"no", "yes"}, Open: true,
			DependsOn: "rotation/secret/writer.go: NewVersion.RotationToken is passed on if there is one",
			Ask: func(q *Question) Answer {
				if firstStep(q.plain().notes, "createSecret").RotationToken {
					return Answer{Is: "yes"}
				}
				return Answer{Is: "no"}
			},
		},
		{
			Name:     "What becomes of AWSPENDING after a rotation that went well?",
			Believed: []string{"was taken off after finishSecret", "was taken off by the promotion", "stays on the new version"}, Open: true,
			DependsOn: "rotation/rollback.go takes it off a bad version first; finishSecret never does",
			Ask:       func(q *Question) Answer { return Answer{Is: q.plain().pending} },
		},
		{
			Name:     "What becomes of RotateSecret with a token of words, dots and hyphens, 64 characters long?",
			Believed: []string{"taken, and the token is the version's id"}, Open: true,
			DependsOn: "rotation/plan/request.go: only.<kinds>.emergency before a UUID says what to rotate",
			Ask:       askWords,
		},
		{
			Name:     "What does Secrets Manager do when a step fails?",
			Believed: []string{"starts again from createSecret, with the same token"}, Open: true, Takes: 2 * quiet,
			DependsOn: "rotation/steps.go: every step may run again for its token; docs/operate.md tells people that it is retried",
			Ask:       func(q *Question) Answer { return q.failed().retried },
		},
		{
			Name:     "Where is AWSPENDING after the last attempt of a rotation that failed?",
			Believed: []string{"on the token's version"}, Takes: 2 * quiet,
			DependsOn: "rotation/operator.go: Abandon takes it off",
			Ask: func(q *Question) Answer {
				if f := q.failed(); f.pendingAfter != f.token {
					return Answer{Is: "on no version"}
				}
				return Answer{Is: "on the token's version"}
			},
		},
		{
			Name:      "What becomes of RotateSecret while AWSPENDING is on a version that is not current?",
			Believed:  []string{"refused: InvalidRequestException"},
			DependsOn: "internal/operator/cloud/secrets.go names abandon as the remedy",
			Ask: func(q *Question) Answer {
				s, _ := q.incomplete("refused")
				return Answer{Is: q.refusal(s.tryRotate(rotation{token: q.token("")}))}
			},
		},
		{
			Name:      "What becomes of RotateSecret once AWSPENDING was taken off that version?",
			Believed:  []string{"taken"},
			DependsOn: "rotation/giveup.go: a rotation is given up by taking AWSPENDING off",
			Ask:       askGivenUp,
		},
		{
			Name:      "Does a value that is stored by hand during a rotation take AWSPENDING off its version?",
			Believed:  []string{"yes"},
			DependsOn: "rotation/guard.go: a step of a version that is not AWSPENDING any more is refused",
			Ask: func(q *Question) Answer {
				s, token := q.incomplete("by-hand")
				q.must(s.put(q.token(""), `{"by":"hand"}`))
				if s.holder("AWSPENDING") == token {
					return Answer{Is: "no"}
				}
				return Answer{Is: "yes"}
			},
		},
		{
			Name:      "Does a value that is stored by hand move LastRotatedDate?",
			Believed:  []string{"yes"},
			DependsOn: "rotation/plan/schedule.go: Interval goes by it and NextRotationDate where the schedule does not say",
			Ask:       askRotatedByHand,
		},
		{
			Name:      "For which steps does RotateSecret with RotateImmediately=false invoke the function?",
			Believed:  []string{"testSecret"},
			DependsOn: "rotation/steps.go: testSecret without a rotation is a preflight",
			Ask:       func(q *Question) Answer { return Answer{Is: steps(q.tested().notes)} },
		},
		{
			Name:     "Which value has the temporary version of RotateImmediately=false?",
			Believed: []string{"none", "AWSCURRENT's"}, Open: true,
			DependsOn: "rotation/steps.go: testSecret knows a preflight by either",
			Ask: func(q *Question) Answer {
				n := firstStep(q.tested().notes, "testSecret")
				if !n.Pending {
					return Answer{n.Value, "AWSPENDING is not on it"}
				}
				return Answer{Is: n.Value}
			},
		},
		{
			Name:     "Where does RotateImmediately=false leave AWSPENDING?",
			Believed: []string{"on no version"}, Open: true,
			DependsOn: "rotation/plan: a test-only rotation does not count as one that is under way",
			Ask: func(q *Question) Answer {
				t := q.tested()
				if t.pendingAfter != "" {
					return Answer{"on its temporary version", t.left}
				}
				return Answer{"on no version", t.left}
			},
		},
		{
			Name:      "What becomes of RotateSecret of a secret that has no function?",
			Believed:  []string{"refused: InvalidRequestException"},
			DependsOn: "internal/operator/cloud/secrets.go explains it",
			Ask: func(q *Question) Answer {
				return Answer{Is: q.refusal(q.secret("no-function").tryRotate(rotation{token: q.token("")}))}
			},
		},
		{
			Name:      "What becomes of RotateSecret with a function whose policy admits other secrets only?",
			Believed:  []string{"refused: AccessDeniedException"},
			DependsOn: "template.yaml has a permission for each secret, and makes a schedule after it",
			Ask: func(q *Question) Answer {
				q.plain() // for whose secret there is a permission
				s := q.secret("no-permission")
				return Answer{Is: q.refusal(s.tryRotate(rotation{token: q.token(""), function: q.a.functionARN}))}
			},
		},
	}
}

// plain is what was seen of a rotation that goes well.
type plain struct {
	atOnce  string
	pending string
	notes   []function.Note
}

func (q *Question) plain() plain {
	return q.a.plain.get(q, func() (p plain) {
		s := q.rotating("plain")
		token := q.token("")
		s.rotate(rotation{token: token})
		p.atOnce = "not yet"
		if holder(s.described(), "AWSPENDING") == token {
			p.atOnce = "already"
		}
		s.awaitEnd(token)
		p.notes = s.notes(token)
		switch {
		case s.holder("AWSPENDING") == token:
			p.pending = "stays on the new version"
		case firstStep(p.notes, "finishSecret").PendingAfter:
			p.pending = "was taken off after finishSecret"
		default:
			p.pending = "was taken off by the promotion"
		}
		return p
	})
}

func firstStep(notes []function.Note, step string) function.Note {
	i := slices.IndexFunc(notes, func(n function.Note) bool { return n.Step == step })
	if i < 0 {
		return function.Note{}
	}
	return notes[i]
}

func askWords(q *Question) Answer {
	s := q.rotating("words")
	token := q.token("only.database.api.emergency.x---")
	s.rotate(rotation{token: q.token("")}) // so that a refusal below is one of the token
	s.q.until("the first rotation is over", func() bool { return s.described().LastRotatedDate != nil })
	q.pass(q.a.place.Settle)
	if is := q.refusal(s.tryRotate(rotation{token: token})); is != "taken" {
		return Answer{Is: is}
	}
	s.awaitEnd(token)
	return Answer{"taken, and the token is the version's id", fmt.Sprintf("%d characters", len(token))}
}

// failed is what was seen of a rotation that fails at testSecret, whenever it is tried.
type failed struct {
	token, pendingAfter string
	retried             Answer
}

// quiet is how long is waited for a further attempt, twice at most.
const quiet = 15 * time.Minute

func (q *Question) failed() failed {
	return q.a.failed.get(q, func() (f failed) {
		s := q.failing("failing", "testSecret")
		f.token = q.token("")
		s.rotate(rotation{token: f.token})
		s.awaitStep(f.token, "testSecret")
		notes, over := s.notes(f.token), false
		for n := 0; q.err == nil && !over && n < 2; n++ {
			before := len(notes)
			q.pass(quiet)
			notes = s.notes(f.token)
			over = len(notes) == before
		}
		f.retried = retries(notes, over)
		f.pendingAfter = s.holder("AWSPENDING")
		return f
	})
}

// retries tells how a rotation was tried again that fails at testSecret. It is over if no attempt came for a while.
func retries(notes []function.Note, over bool) Answer {
	var starts []time.Time
	for _, n := range notes {
		if n.Step == "createSecret" {
			starts = append(starts, n.At)
		}
	}
	const attempt = "createSecret, setSecret, testSecret"
	whole := strings.TrimSuffix(strings.Repeat(attempt+", ", len(starts)), ", ")
	switch {
	case steps(notes) == attempt:
		return Answer{Is: "gives up"}
	case len(starts) == 0 || steps(notes) != whole:
		return Answer{"goes on otherwise", steps(notes)}
	}
	var after []string
	for i := range starts[1:] {
		after = append(after, Words(starts[i+1].Sub(starts[i])))
	}
	detail := fmt.Sprintf("tried again %d times, after %s; ", len(after), strings.Join(after, ", "))
	if over {
		detail += "then not for " + Words(quiet)
	} else {
		detail += "and perhaps again later than " + Words(2*quiet)
	}
	return Answer{"starts again from createSecret, with the same token", detail}
}

// incomplete is a secret with a rotation that has failed once, and its token.
func (q *Question) incomplete(word string) (s *secret, token string) {
	s = q.failing(word, "setSecret")
	token = q.token("")
	s.rotate(rotation{token: token})
	s.awaitStep(token, "setSecret")
	return s, token
}

func askGivenUp(q *Question) Answer {
	s, token := q.incomplete("given-up")
	q.must(s.move("AWSPENDING", "", token))
	s.mend()
	next := q.token("")
	if is := q.refusal(s.tryRotate(rotation{token: next})); is != "taken" {
		return Answer{Is: is}
	}
	s.awaitEnd(next)
	return Answer{"taken", "the rotation after it succeeds"}
}

func askRotatedByHand(q *Question) Answer {
	s := q.rotating("dated")
	token := q.token("")
	s.rotate(rotation{token: token})
	s.awaitEnd(token)
	rotated := aws.ToTime(s.described().LastRotatedDate)
	q.pass(2 * time.Second) // or it could not be told from before
	q.must(s.put(q.token(""), `{"by":"hand"}`))
	q.settle()
	if aws.ToTime(s.described().LastRotatedDate).After(rotated) {
		return Answer{Is: "yes"}
	}
	return Answer{Is: "no"}
}

// mend lets the secret's rotations go well from now on.
func (s *secret) mend() {
	if s.q.err != nil {
		return
	}
	_, err := s.q.a.secrets.UntagResource(s.q.ctx, &secretsmanager.UntagResourceInput{SecretId: &s.arn, TagKeys: []string{function.FailsTag}})
	s.q.must(err)
	s.q.settle()
}

// tested is what was seen of a test-only rotation.
type tested struct {
	pendingAfter, left string
	notes              []function.Note
}

func (q *Question) tested() tested {
	return q.a.tested.get(q, func() (t tested) {
		s := q.rotating("test")
		token := q.token("")
		s.rotate(rotation{token: token, test: true})
		s.awaitStep(token, "testSecret")
		q.pass(max(4*q.a.place.Settle, time.Millisecond)) // no step follows
		t.notes = s.notes(token)
		t.pendingAfter = s.holder("AWSPENDING")
		t.left = "the version no longer exists"
		if q.err != nil {
			return t
		}
		all := true
		out, err := q.a.secrets.ListSecretVersionIds(q.ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: &s.arn, IncludeDeprecated: &all})
		if err != nil {
			q.must(err)
			return t
		}
		for _, v := range out.Versions {
			if *v.VersionId == token {
				t.left = "the version is listed, with the labels [" + strings.Join(v.VersionStages, ", ") + "]"
			}
		}
		return t
	})
}
