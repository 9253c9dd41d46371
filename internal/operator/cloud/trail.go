package cloud

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// Trail is CloudTrail's record of the last 90 days.
type Trail struct {
	lookup func(context.Context, *cloudtrail.LookupEventsInput, ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error)
}

// NewTrail reads the account and region's event history, which needs no trail of your own.
func NewTrail(c aws.Config) *Trail { return &Trail{cloudtrail.NewFromConfig(c).LookupEvents} }

// Rotations returns who started each rotation, by its token, which is the version id.
func (t *Trail) Rotations(ctx context.Context, from, to time.Time) (by map[string]string, err error) {
	by = map[string]string{}
	input := &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String("RotateSecret")}},
		StartTime:        &from, EndTime: &to,
	}
	for {
		out, err := t.lookup(ctx, input)
		if err != nil {
			return nil, Explain(err)
		}
		for _, e := range out.Events {
			if token, who := started(aws.ToString(e.CloudTrailEvent)); token != "" {
				by[token] = who
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return by, nil
		}
		input.NextToken = out.NextToken
	}
}

// started reads from an event who started a rotation, and its token. The token is in the response; a failed
// call has none.
func started(event string) (token, who string) {
	var e struct {
		UserIdentity struct {
			Type           string `json:"type"`
			ARN            string `json:"arn"`
			InvokedBy      string `json:"invokedBy"`
			SessionContext struct {
				SessionIssuer struct {
					UserName string `json:"userName"`
				} `json:"sessionIssuer"`
			} `json:"sessionContext"`
		} `json:"userIdentity"`
		RequestParameters struct {
			Token string `json:"clientRequestToken"`
		} `json:"requestParameters"`
		ResponseElements struct {
			Version string `json:"versionId"`
		} `json:"responseElements"`
		ErrorCode string `json:"errorCode"`
	}
	if err := json.Unmarshal([]byte(event), &e); err != nil || e.ErrorCode != "" {
		return "", ""
	}
	token = e.ResponseElements.Version
	if token == "" {
		token = e.RequestParameters.Token
	}
	who = e.UserIdentity.ARN
	// arn:aws:sts::123456789012:assumed-role/Operators/jane is Operators/jane.
	if _, rest, ok := strings.Cut(who, ":assumed-role/"); ok {
		who = rest
	} else if _, rest, ok := strings.Cut(who, ":user/"); ok {
		who = rest
	}
	if who == "" {
		who = e.UserIdentity.InvokedBy
	}
	return token, who
}
