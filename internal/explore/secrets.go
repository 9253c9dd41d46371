package explore

import (
	"context"
	"errors"
	"net/http"
	"slices"
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

func (a api) DescribeSecret(ctx context.Context, in *sm.DescribeSecretInput, _ ...func(*sm.Options)) (out *sm.DescribeSecretOutput, err error) {
	w := a.w
	err = w.call(call{what: "DescribeSecret", reads: true, account: -1}, func() (string, error) {
		d, err := w.secrets.DescribeSecret(ctx, secretsmanager.SecretIDInput{SecretID: *in.SecretId})
		if err != nil {
			return "", asSDK(err)
		}
		out = &sm.DescribeSecretOutput{ARN: &d.ARN, VersionIdsToStages: d.Stages, RotationEnabled: d.RotationEnabled, ResultMetadata: w.times.reply(w.now)}
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
		return string(w.secrets.AppendDigest(nil)), nil
	})
	return out, err
}

func (a api) GetSecretValue(ctx context.Context, in *sm.GetSecretValueInput, _ ...func(*sm.Options)) (out *sm.GetSecretValueOutput, err error) {
	w := a.w
	id, stage := aws.ToString(in.VersionId), aws.ToString(in.VersionStage)
	err = w.call(call{what: "GetSecretValue " + id + " " + stage, reads: true, account: -1}, func() (string, error) {
		v, err := w.secrets.GetSecretValue(ctx, secretsmanager.GetSecretValueInput{SecretID: *in.SecretId, VersionID: id, VersionStage: stage})
		if err != nil {
			return "", asSDK(err)
		}
		created := time.Time(v.CreatedDate)
		out = &sm.GetSecretValueOutput{
			ARN: &v.ARN, VersionId: &v.VersionID, SecretString: v.SecretString, VersionStages: slices.Clone(v.VersionStages), CreatedDate: &created,
			ResultMetadata: w.times.reply(w.now),
		}
		answer := v.VersionID + *v.SecretString
		for _, l := range v.VersionStages {
			answer += l
		}
		return answer, nil
	})
	return out, err
}

func (a api) PutSecretValue(ctx context.Context, in *sm.PutSecretValueInput, _ ...func(*sm.Options)) (out *sm.PutSecretValueOutput, err error) {
	w := a.w
	token := aws.ToString(in.ClientRequestToken)
	put := secretsmanager.PutSecretValueInput{
		SecretID: *in.SecretId, ClientRequestToken: token, SecretString: in.SecretString,
		VersionStages: slices.Clone(in.VersionStages), RotationToken: aws.ToString(in.RotationToken),
	}
	for _, label := range put.VersionStages {
		w.heard(label)
	}
	err = w.call(call{what: "PutSecretValue " + token, write: true, aws: true, account: -1}, func() (string, error) {
		before := w.secrets.Snapshot()
		v, err := w.secrets.PutSecretValue(ctx, put)
		w.wrote(before)
		if err != nil {
			return "", asSDK(err)
		}
		out = &sm.PutSecretValueOutput{ARN: &v.ARN, VersionId: &v.VersionID, VersionStages: slices.Clone(v.VersionStages), ResultMetadata: w.times.reply(w.now)}
		return v.VersionID, nil
	})
	return out, err
}

func (a api) UpdateSecretVersionStage(ctx context.Context, in *sm.UpdateSecretVersionStageInput, _ ...func(*sm.Options)) (out *sm.UpdateSecretVersionStageOutput, err error) {
	w := a.w
	update := secretsmanager.UpdateSecretVersionStageInput{
		SecretID: *in.SecretId, VersionStage: *in.VersionStage,
		MoveToVersionID: aws.ToString(in.MoveToVersionId), RemoveFromVersionID: aws.ToString(in.RemoveFromVersionId),
	}
	w.heard(update.VersionStage)
	what := "UpdateSecretVersionStage " + update.VersionStage + " from " + update.RemoveFromVersionID + " to " + update.MoveToVersionID
	err = w.call(call{what: what, write: true, aws: true, account: -1}, func() (string, error) {
		before := w.secrets.Snapshot()
		_, err := w.secrets.UpdateSecretVersionStage(ctx, update)
		w.wrote(before)
		if err != nil {
			return "", asSDK(err)
		}
		out = &sm.UpdateSecretVersionStageOutput{ResultMetadata: w.times.reply(w.now)}
		return "", nil
	})
	return out, err
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
