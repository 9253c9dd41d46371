package explore

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// api is Secrets Manager's, as the engine calls it: on the core of the stand-in,
// with nothing in between.
type api struct{ w *world }

// asSDK is an error as the SDK has it.
func asSDK(err error) error {
	refused, ok := errors.AsType[*wire.Error](err)
	if !ok {
		return err
	}
	switch refused.Code {
	case "ResourceNotFoundException":
		return &types.ResourceNotFoundException{Message: &refused.Message}
	case "InvalidRequestException":
		return &types.InvalidRequestException{Message: &refused.Message}
	case "ResourceExistsException":
		return &types.ResourceExistsException{Message: &refused.Message}
	}
	return &smithy.GenericAPIError{Code: refused.Code, Message: refused.Message}
}

func (a api) DescribeSecret(ctx context.Context, in *sm.DescribeSecretInput, _ ...func(*sm.Options)) (*sm.DescribeSecretOutput, error) {
	w, arn := a.w, *in.SecretId
	d, err := ask(w, call{what: "DescribeSecret", detail: arn, reads: true, describes: true, account: -1}, func(int) (*description, string, error) {
		d, err := w.describe(ctx, arn)
		if err != nil {
			return nil, "", asSDK(err)
		}
		return d, d.digest, nil
	})
	if err != nil {
		return nil, err
	}
	own := d.out // the engine may note in it what it has changed
	own.VersionIdsToStages = make(map[string][]string, len(own.VersionIdsToStages))
	for id, labels := range d.out.VersionIdsToStages {
		own.VersionIdsToStages[id] = slices.Clone(labels)
	}
	own.ResultMetadata = w.times.reply(w.running.now)
	return &own, nil
}

// A description is what DescribeSecret answers in a state of the secrets, but for the time.
type description struct {
	out    sm.DescribeSecretOutput
	digest string // of the state
}

// describe describes a secret, once for each state: a search comes to the same ones over
// and over.
func (w *world) describe(ctx context.Context, arn string) (*description, error) {
	w.buffer = w.secrets.AppendDigest(w.buffer[:0])
	length := len(w.buffer)
	w.buffer = append(w.buffer, arn...)
	if d := w.described[string(w.buffer)]; d != nil {
		return d, nil
	}
	d, err := w.secrets.DescribeSecret(ctx, secretsmanager.SecretIDInput{SecretID: arn})
	if err != nil {
		return nil, err
	}
	out := sm.DescribeSecretOutput{ARN: &d.ARN, VersionIdsToStages: d.Stages, RotationEnabled: d.RotationEnabled}
	if d.OwningService != "" {
		out.OwningService = &d.OwningService
	}
	if next := time.Time(d.NextRotationDate); !next.IsZero() {
		out.NextRotationDate = &next
	}
	if last := time.Time(d.LastRotatedDate); !last.IsZero() {
		out.LastRotatedDate = &last
	}
	if rules := d.RotationRules; rules != nil {
		out.RotationRules = &types.RotationRulesType{ScheduleExpression: &rules.ScheduleExpression}
	}
	key := string(w.buffer)
	made := &description{out, key[:length]}
	w.described[key] = made
	return made, nil
}

func (a api) GetSecretValue(ctx context.Context, in *sm.GetSecretValueInput, _ ...func(*sm.Options)) (*sm.GetSecretValueOutput, error) {
	w := a.w
	arn, id, stage := *in.SecretId, aws.ToString(in.VersionId), aws.ToString(in.VersionStage)
	out, err := ask(w, call{what: "GetSecretValue " + id + " " + stage, detail: arn, reads: true, account: -1}, func(int) (*sm.GetSecretValueOutput, string, error) {
		v, err := w.secrets.GetSecretValue(ctx, secretsmanager.GetSecretValueInput{SecretID: arn, VersionID: id, VersionStage: stage})
		if err != nil {
			return nil, "", asSDK(err)
		}
		created := time.Time(v.CreatedDate)
		answer := v.VersionID + " " + strconv.FormatInt(created.UnixNano(), 10) + *v.SecretString
		for _, l := range v.VersionStages {
			answer += " " + l
		}
		return &sm.GetSecretValueOutput{
			ARN: &v.ARN, VersionId: &v.VersionID, SecretString: v.SecretString, VersionStages: v.VersionStages, CreatedDate: &created,
			ResultMetadata: w.times.reply(w.now),
		}, answer, nil
	})
	if err != nil {
		return nil, err
	}
	own := *out
	own.VersionStages = slices.Clone(out.VersionStages)
	return &own, nil
}

func (a api) PutSecretValue(ctx context.Context, in *sm.PutSecretValueInput, _ ...func(*sm.Options)) (*sm.PutSecretValueOutput, error) {
	w := a.w
	token := aws.ToString(in.ClientRequestToken)
	put := secretsmanager.PutSecretValueInput{
		SecretID: *in.SecretId, ClientRequestToken: token, SecretString: in.SecretString,
		VersionStages: slices.Clone(in.VersionStages), RotationToken: aws.ToString(in.RotationToken),
	}
	detail := put.SecretID + " " + aws.ToString(in.SecretString)
	for _, label := range put.VersionStages {
		w.running.says(label)
		detail += " " + label
	}
	return ask(w, call{what: "PutSecretValue " + token, detail: detail, write: true, aws: true, account: -1}, func(int) (*sm.PutSecretValueOutput, string, error) {
		before := w.secrets.Snapshot()
		v, err := w.secrets.PutSecretValue(ctx, put)
		w.wrote(before)
		if err != nil {
			return nil, "", asSDK(err)
		}
		return &sm.PutSecretValueOutput{ARN: &v.ARN, VersionId: &v.VersionID, VersionStages: slices.Clone(v.VersionStages), ResultMetadata: w.times.reply(w.now)}, v.VersionID, nil
	})
}

func (a api) UpdateSecretVersionStage(ctx context.Context, in *sm.UpdateSecretVersionStageInput, _ ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error) {
	w := a.w
	update := secretsmanager.UpdateSecretVersionStageInput{
		SecretID: *in.SecretId, VersionStage: *in.VersionStage,
		MoveToVersionID: aws.ToString(in.MoveToVersionId), RemoveFromVersionID: aws.ToString(in.RemoveFromVersionId),
	}
	w.running.says(update.VersionStage)
	what := "UpdateSecretVersionStage " + update.VersionStage + " from " + update.RemoveFromVersionID + " to " + update.MoveToVersionID
	return ask(w, call{what: what, detail: update.SecretID, write: true, aws: true, account: -1}, func(by int) (*sm.UpdateSecretVersionStageOutput, string, error) {
		before, reason := w.secrets.Snapshot(), w.reasonToGoBack(by, update.VersionStage, update.RemoveFromVersionID, update.MoveToVersionID)
		other := w.changesOthers(by, update.VersionStage, update.RemoveFromVersionID, update.MoveToVersionID)
		held := w.holdsWithoutUse(by, update.VersionStage, update.MoveToVersionID)
		open := w.rollsOut()
		_, err := w.secrets.UpdateSecretVersionStage(ctx, update)
		w.wrote(before)
		if open && !w.rollsOut() {
			w.excuseReleased(by)
		}
		if err == nil && !reason {
			w.violated("version %s is rolled back, and its tasks run", cmp.Or(update.RemoveFromVersionID, update.MoveToVersionID))
		}
		if err == nil && other != "" {
			w.violated("a rotation changes %s, which it was not made for", other)
		}
		if err == nil && held != "" {
			w.violated("a value of %s is held, and no use of it was seen", held)
		}
		if err != nil {
			return nil, "", asSDK(err)
		}
		return &sm.UpdateSecretVersionStageOutput{ResultMetadata: w.times.reply(w.now)}, "", nil
	})
}

// serverTimes are the replies' metadata, by the second that they tell.
type serverTimes map[int64]middleware.Metadata

// reply is the metadata of a reply, which tells the time to the second.
func (t serverTimes) reply(now time.Time) middleware.Metadata {
	second := now.Unix()
	if m, known := t[second]; known {
		return m
	}
	date := http.Header{"Date": {time.Unix(second, 0).UTC().Format(http.TimeFormat)}}
	_, m, err := awsmiddleware.RecordResponseTiming{}.HandleDeserialize(context.Background(), middleware.DeserializeInput{},
		middleware.DeserializeHandlerFunc(func(context.Context, middleware.DeserializeInput) (out middleware.DeserializeOutput, m middleware.Metadata, err error) {
			out.RawResponse = &smithyhttp.Response{Response: &http.Response{Header: date}}
			return out, m, nil
		}))
	if err != nil {
		panic(err)
	}
	if _, ok := awsmiddleware.GetServerTime(m); !ok {
		panic("the reply does not tell the time")
	}
	t[second] = m
	return m
}
