// Package function is the rotation function that the contract's questions are asked with. It does the least that a rotation
// takes, and writes a [Note] of what it finds at each step to its log. It is never given a value that is worth anything, and
// writes none.
//
// The tag [FailsTag] of a secret names a step that fails.
package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// FailsTag is the key of a tag of a secret whose value is the step that fails.
const FailsTag = "fails"

// Value is what a version that a rotation makes stores.
func Value(token string) string { return `{"version":"` + token + `"}` }

// Event is a step of a rotation, or a Task.
type Event struct {
	Step, SecretID, ClientRequestToken, RotationToken string

	Task string
	Mark string // tells the notes of one task from another's
	For  time.Duration
}

// Tasks.
const (
	Look   = "look"   // only a note
	Stay   = "stay"   // for a while
	Fail   = "fail"   // with the error that [Failure] is the text of
	Rotate = "rotate" // RotateSecret of SecretID, and nothing but the token
	List   = "list"   // ListSecretVersionIds of SecretID
)

// Failure is what the function says that fails.
const Failure = "told to fail"

// Note is what the function has found. It is one line of its log, under the key "contract".
type Note struct {
	Secret, Step, Token string `json:",omitempty"`
	Task, Mark          string `json:",omitempty"`

	At        time.Time
	InvokedAs string // ARN
	Stream    string // of the log: one for each execution environment

	RotationToken bool   // the event had one
	Pending       bool   // AWSPENDING was on the token's version
	Value         string `json:",omitempty"` // of the token's version: "none", "AWSCURRENT's", "another"

	// PendingAfter tells of finishSecret whether AWSPENDING was on the version once AWSCURRENT was.
	PendingAfter bool

	Error string `json:",omitempty"` // code of what went wrong
}

// Line is the form of a Note in the log.
type Line struct {
	Contract *Note `json:"contract"`
}

// Serve hands the function's invocations to it. It does not return.
func Serve() {
	lambda.Start(func(ctx context.Context, e Event) (string, error) {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return "", err
		}
		n := note(ctx, e)
		err = handle(ctx, secretsmanager.NewFromConfig(cfg), e, &n)
		if err != nil {
			n.Error = codeOf(err)
		}
		line, encodeErr := json.Marshal(Line{&n})
		if encodeErr != nil {
			return "", encodeErr
		}
		fmt.Println(string(line))
		return n.InvokedAs, err
	})
}

func note(ctx context.Context, e Event) Note {
	n := Note{
		Secret: e.SecretID, Step: e.Step, Token: e.ClientRequestToken, Task: e.Task, Mark: e.Mark,
		At: time.Now().UTC(), Stream: lambdacontext.LogStreamName, RotationToken: e.RotationToken != "",
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		n.InvokedAs = lc.InvokedFunctionArn
	}
	return n
}

// codeOf is an API error's code, or else its type: texts may hold more than should be in a log.
func codeOf(err error) string {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprintf("%T", err)
}

func handle(ctx context.Context, api *secretsmanager.Client, e Event, n *Note) error {
	switch e.Task {
	case Look:
		return nil
	case Fail:
		return errors.New(Failure)
	case Stay:
		time.Sleep(e.For)
		return nil
	case Rotate:
		_, err := api.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &e.SecretID, ClientRequestToken: &e.ClientRequestToken})
		return err
	case List:
		_, err := api.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: &e.SecretID})
		return err
	}
	secret, err := describe(ctx, api, e)
	if err != nil {
		return err
	}
	n.Pending = slices.Contains(secret.VersionIdsToStages[e.ClientRequestToken], "AWSPENDING")
	if n.Value, err = valueOf(ctx, api, e); err != nil {
		return err
	}
	for _, tag := range secret.Tags {
		if *tag.Key == FailsTag && *tag.Value == e.Step {
			return errors.New(Failure)
		}
	}
	// As the project's function does: what was given up meanwhile is not taken up again.
	if current := holder(secret.VersionIdsToStages, "AWSCURRENT"); !n.Pending && current != e.ClientRequestToken {
		return errors.New("the version is not AWSPENDING any more")
	}
	switch e.Step {
	case "createSecret":
		if n.Value != "none" {
			return nil // stored by an attempt before
		}
		return store(ctx, api, e)
	case "finishSecret":
		return promote(ctx, api, e, secret.VersionIdsToStages, n)
	}
	return nil
}

// describe reads the secret's labels. That the token's version is missing may only mean that a read lags.
func describe(ctx context.Context, api *secretsmanager.Client, e Event) (*secretsmanager.DescribeSecretOutput, error) {
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		secret, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &e.SecretID})
		if err != nil || len(secret.VersionIdsToStages[e.ClientRequestToken]) > 0 || pause > 2*time.Second {
			return secret, err
		}
		time.Sleep(pause)
	}
}

// valueOf says in words what the token's version stores.
func valueOf(ctx context.Context, api *secretsmanager.Client, e Event) (string, error) {
	pending, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.SecretID, VersionId: &e.ClientRequestToken})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return "none", nil
	}
	if err != nil {
		return "", err
	}
	current, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.SecretID})
	if err != nil {
		return "", err
	}
	if aws.ToString(pending.SecretString) == aws.ToString(current.SecretString) {
		return "AWSCURRENT's", nil
	}
	return "another", nil
}

func store(ctx context.Context, api *secretsmanager.Client, e Event) error {
	in := &secretsmanager.PutSecretValueInput{
		SecretId: &e.SecretID, ClientRequestToken: &e.ClientRequestToken,
		SecretString: aws.String(Value(e.ClientRequestToken)), VersionStages: []string{"AWSPENDING"},
	}
	if e.RotationToken != "" {
		in.RotationToken = &e.RotationToken
	}
	_, err := api.PutSecretValue(ctx, in)
	return err
}

// promote moves AWSCURRENT to the token's version, and notes where AWSPENDING is then.
func promote(ctx context.Context, api *secretsmanager.Client, e Event, labels map[string][]string, n *Note) error {
	from := holder(labels, "AWSCURRENT")
	if from != e.ClientRequestToken {
		_, err := api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: &e.SecretID, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &e.ClientRequestToken, RemoveFromVersionId: &from,
		})
		if err != nil {
			return err
		}
	}
	for pause := 50 * time.Millisecond; ; pause *= 2 { // a read may lag behind the write
		secret, err := api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &e.SecretID})
		if err != nil {
			return err
		}
		if holder(secret.VersionIdsToStages, "AWSCURRENT") == e.ClientRequestToken || pause > 5*time.Second {
			n.PendingAfter = holder(secret.VersionIdsToStages, "AWSPENDING") == e.ClientRequestToken
			return nil
		}
		time.Sleep(pause)
	}
}

func holder(labels map[string][]string, label string) string {
	for id, on := range labels {
		if slices.Contains(on, label) {
			return id
		}
	}
	return ""
}
