package contract

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/contract/function"
)

// A Question is one fact's way to ask. The first error that is no answer ends it: what is called afterwards does nothing,
// and the fact counts as not asked.
type Question struct {
	ctx context.Context
	a   *Account
	err error
}

// must takes an error that is no answer.
func (q *Question) must(err error) {
	if q.err == nil {
		q.err = err
	}
}

// code is the code of an error that is an answer, "" for none.
func (q *Question) code(err error) string {
	var api smithy.APIError
	if err != nil && !errors.As(err, &api) {
		q.must(err)
		return ""
	}
	if err == nil {
		return ""
	}
	return api.ErrorCode()
}

// refusal says how a call ended: "taken", or "refused: " and the error's code.
func (q *Question) refusal(err error) string {
	if code := q.code(err); code != "" {
		return "refused: " + code
	}
	return "taken"
}

// settle waits until reads show what was written.
func (q *Question) settle() {
	if q.err == nil {
		q.must(q.a.wait(q.ctx, q.a.place.Settle))
	}
}

// pass lets time pass.
func (q *Question) pass(d time.Duration) {
	if q.err == nil {
		q.must(q.a.place.Pass(q.ctx, d))
	}
}

// until waits until a condition holds, in real time, and fails if it does not come to hold.
func (q *Question) until(what string, holds func() bool) {
	for deadline := time.Now().Add(5 * time.Minute); q.err == nil && !holds(); {
		if time.Now().After(deadline) {
			q.must(fmt.Errorf("waited 5 minutes until %s", what))
			return
		}
		q.must(q.a.wait(q.ctx, q.a.place.Poll))
	}
}

// token makes up a version's id, with words at its beginning.
func (q *Question) token(words string) string {
	id, err := uuid()
	q.must(err)
	return words + id
}

// secret is a secret of the run.
type secret struct {
	q         *Question
	name, arn string
	first     string // id of the version that it was made with
	rotates   bool   // rotation has been configured
}

// secret makes a secret. The word becomes a part of its name; the tags are function.FailsTag and the like.
func (q *Question) secret(word string, tags ...types.Tag) *secret {
	s := &secret{q: q, first: q.token("")}
	if q.err != nil {
		return s
	}
	a := q.a
	a.mu.Lock()
	a.words[word]++
	s.name = fmt.Sprintf("%s-%s-%d", a.name(), word, a.words[word])
	a.mu.Unlock()
	making, err := a.making(q.ctx, kindSecret, s.name)
	if err != nil {
		q.must(err)
		return s
	}
	out, err := a.secrets.CreateSecret(making, &secretsmanager.CreateSecretInput{
		Name: &s.name, ClientRequestToken: &s.first, SecretString: aws.String(function.Value(s.first)),
		Tags: append(tags, types.Tag{Key: aws.String(TagKey), Value: &a.run}),
	})
	if err != nil {
		q.must(fmt.Errorf("make a secret: %w", err))
		return s
	}
	s.arn = *out.ARN
	q.settle()
	return s
}

// failing is a secret whose rotations fail at a step.
func (q *Question) failing(word, step string) *secret {
	s := q.secret(word, types.Tag{Key: aws.String(function.FailsTag), Value: &step})
	s.permit()
	return s
}

// rotating is a secret that can be rotated.
func (q *Question) rotating(word string) *secret {
	s := q.secret(word)
	s.permit()
	return s
}

// permit lets Secrets Manager invoke the function for the secret, as the template does.
func (s *secret) permit() {
	q, a := s.q, s.q.a
	if q.err != nil {
		return
	}
	a.granted.Lock()
	defer a.granted.Unlock()
	_, err := a.lambda.AddPermission(q.ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String(a.name()), StatementId: aws.String(s.name[len(a.name())+1:]), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("secretsmanager.amazonaws.com"), SourceAccount: &a.id, SourceArn: &s.arn,
	})
	q.must(err)
}

// put stores a value as a version.
func (s *secret) put(token, value string, labels ...string) error {
	if s.q.err != nil {
		return s.q.err
	}
	_, err := s.q.a.secrets.PutSecretValue(s.q.ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &s.arn, ClientRequestToken: &token, SecretString: &value, VersionStages: labels,
	})
	return err
}

// move moves a label; to and from may be "".
func (s *secret) move(label, to, from string) error {
	if s.q.err != nil {
		return s.q.err
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &s.arn, VersionStage: &label}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	_, err := s.q.a.secrets.UpdateSecretVersionStage(s.q.ctx, in)
	return err
}

// read reads a version by its id, its label or both. Its value is of no interest.
func (s *secret) read(id, label string) error {
	if s.q.err != nil {
		return s.q.err
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: &s.arn}
	if id != "" {
		in.VersionId = &id
	}
	if label != "" {
		in.VersionStage = &label
	}
	_, err := s.q.a.secrets.GetSecretValue(s.q.ctx, in)
	return err
}

// described is what DescribeSecret tells at once, lagging or not.
func (s *secret) described() *secretsmanager.DescribeSecretOutput {
	if s.q.err != nil {
		return &secretsmanager.DescribeSecretOutput{}
	}
	out, err := s.q.a.secrets.DescribeSecret(s.q.ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.arn})
	if err != nil {
		s.q.must(err)
		return &secretsmanager.DescribeSecretOutput{}
	}
	return out
}

// holder is the version that has a label, once reads do not lag any more; "" if none has.
func (s *secret) holder(label string) string {
	s.q.settle()
	return holder(s.described(), label)
}

func holder(secret *secretsmanager.DescribeSecretOutput, label string) string {
	for id, labels := range secret.VersionIdsToStages {
		if slices.Contains(labels, label) {
			return id
		}
	}
	return ""
}

// rotation is how RotateSecret is called.
type rotation struct {
	token    string
	function string // ARN
	rules    *types.RotationRulesType
	test     bool
}

// tryRotate calls RotateSecret.
func (s *secret) tryRotate(r rotation) error {
	if s.q.err != nil {
		return s.q.err
	}
	in := &secretsmanager.RotateSecretInput{SecretId: &s.arn, ClientRequestToken: &r.token, RotationRules: r.rules}
	if r.function != "" {
		in.RotationLambdaARN = &r.function
	}
	if r.test {
		in.RotateImmediately = aws.Bool(false)
	}
	_, err := s.q.a.secrets.RotateSecret(s.q.ctx, in)
	return err
}

// rotate starts a rotation, for the first time by the run's function and, if nothing else is said, every 30 days. That the
// function's policy admits the secret may take a while to be seen.
func (s *secret) rotate(r rotation) {
	if !s.rotates {
		r.function = s.q.a.functionARN
		if r.rules == nil {
			r.rules = every("rate(30 days)", "")
		}
		s.rotates = true
	}
	s.q.until("Secrets Manager may invoke the function", func() bool {
		err := s.tryRotate(r)
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() == "AccessDeniedException" {
			return false
		}
		if err != nil {
			s.q.must(fmt.Errorf("RotateSecret: %w", err))
		}
		return true
	})
}

// notes are what the function has noted about a version of the secret, in order of time.
func (s *secret) notes(token string) (list []function.Note) {
	return s.q.notes(func(n function.Note) bool { return n.Secret == s.arn && n.Token == token && n.Step != "" })
}

func (q *Question) notes(match func(function.Note) bool) (list []function.Note) {
	if q.err != nil {
		return nil
	}
	all, err := q.a.notes(q.ctx)
	q.must(err)
	for _, n := range all {
		if match(n) {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b function.Note) int { return a.At.Compare(b.At) })
	return list
}

// awaitStep waits for the note of a step.
func (s *secret) awaitStep(token, step string) {
	s.q.until("the function has noted "+step, func() bool {
		return slices.ContainsFunc(s.notes(token), func(n function.Note) bool { return n.Step == step })
	})
}

// awaitEnd waits until a rotation has succeeded as far as Secrets Manager tells: by LastRotatedDate, after the promotion.
func (s *secret) awaitEnd(token string) {
	s.q.until("the rotation has succeeded", func() bool {
		d := s.described()
		return holder(d, "AWSCURRENT") == token && d.LastRotatedDate != nil
	})
	s.awaitStep(token, "finishSecret")
	s.q.pass(s.q.a.place.Settle)
}

// invoke invokes the function with an event that is no step.
func (q *Question) invoke(e function.Event, qualifier string, kind lambdatypes.InvocationType) *lambda.InvokeOutput {
	if q.err != nil {
		return &lambda.InvokeOutput{}
	}
	in := &lambda.InvokeInput{FunctionName: aws.String(q.a.name()), InvocationType: kind, Payload: encode(e)}
	if qualifier != "" {
		in.Qualifier = &qualifier
	}
	out, err := q.a.lambda.Invoke(q.ctx, in)
	if err != nil {
		q.must(err)
		return &lambda.InvokeOutput{}
	}
	return out
}

// steps are the names of the steps of notes, with commas.
func steps(notes []function.Note) string {
	var names []string
	for _, n := range notes {
		names = append(names, n.Step)
	}
	return strings.Join(names, ", ")
}

// once is something that several facts look at, and one of them makes.
type once[T any] struct {
	sync.Once
	seen T
	err  error
}

func (o *once[T]) get(q *Question, see func() T) T {
	o.Do(func() {
		o.seen = see()
		o.err = q.err
	})
	q.must(o.err)
	return o.seen
}

func encode(e function.Event) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // texts and a number
	}
	return text
}

// uuid is a random one, in hex without hyphens: 32 characters.
func uuid() (string, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	return hex.EncodeToString(random), nil
}
