package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"mautic-rotation/rotation"
)

// An event that the function accepts is one of five shapes: a step of Secrets
// Manager's rotation, an operator's action, a change of an ECS deployment, a move
// of a label, or the tick of a schedule. The last three only say that it is time
// to look.

// action is what an operator, or EventBridge, asks for.
type action string

const (
	actionReconcile action = "reconcile" // look, and do what is next
	actionAbandon   action = "abandon"   // give the pending rotation up
	actionRelease   action = "release"   // go on with what is held
	actionRollBack  action = "roll-back" // make the old values current again
	actionStatus    action = "status"    // tell how it stands
	actionPreflight action = "preflight" // find out whether a rotation would work
	actionVerify    action = "verify"    // find out whether all is as it should be
)

// looks are the actions that change nothing.
var looks = []action{actionStatus, actionPreflight, actionVerify}

// orders are the actions that an operator asks for, of one secret. One that has changed something
// before it fails answers with its report, which has the error: who asked has to know of both.
var orders = []action{actionAbandon, actionRelease, actionRollBack}

// request is an event of any shape, read.
type request struct {
	step   rotation.Event // of a rotation, if action is ""
	action action
	secret string    // that the action is for; "" means all
	tick   bool      // a schedule's, by which measurements are taken
	event  bool      // of ECS or Secrets Manager, which may be the last one
	moved  time.Time // when AWSCURRENT was moved, as an event tells; zero: it does not

	movedTo string // the version that it was moved to; "": the event does not tell
}

const usage = "this function takes the events of Secrets Manager's rotation, which have Step, SecretId and ClientRequestToken (start one with `aws secretsmanager rotate-secret --secret-id …`), " +
	`{"Action": "reconcile"}, {"Action": "status"}, {"Action": "preflight"}, {"Action": "verify"}, {"Action": "abandon", "SecretId": "…"}, {"Action": "release", "SecretId": "…"}, {"Action": "roll-back", "SecretId": "…"}, and EventBridge's ECS Deployment State Change, Secret Label Updated and Scheduled Event`

// parse tells an event by its shape. No error quotes from the event.
func parse(raw json.RawMessage) (request, error) {
	var shape struct {
		events.SecretsManagerSecretRotationEvent
		Action     action
		Source     string    `json:"source"`
		DetailType string    `json:"detail-type"`
		Time       time.Time `json:"time"`
		Resources  []string  `json:"resources"`
		Detail     struct {
			LabelUpdated labels `json:"labelUpdated"`
			VersionID    string `json:"versionId"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return request{}, errors.New("unknown event: " + usage)
	}
	switch {
	case several(shape.Step != "", shape.Action != "", shape.Source != ""):
		return request{}, errors.New("the event is of more than one shape: " + usage)
	case shape.Step != "":
		return request{step: rotation.Event{
			Step:          rotation.Step(shape.Step),
			SecretID:      shape.SecretID,
			Token:         shape.ClientRequestToken,
			RotationToken: shape.RotationToken,
		}}, nil
	case shape.Source == "aws.ecs" && shape.DetailType == "ECS Deployment State Change":
		return request{action: actionReconcile, event: true}, nil
	case shape.Source == "aws.secretsmanager" && shape.DetailType == "Secret Label Updated" && len(shape.Resources) == 1:
		req := request{action: actionReconcile, event: true, secret: shape.Resources[0]}
		if slices.Contains(shape.Detail.LabelUpdated, "AWSCURRENT") {
			req.moved, req.movedTo = shape.Time, shape.Detail.VersionID
		}
		return req, nil
	case shape.Source == "aws.events" && shape.DetailType == "Scheduled Event":
		return request{action: actionReconcile, tick: true}, nil
	case shape.Action == actionReconcile, slices.Contains(looks, shape.Action):
		return request{action: shape.Action, secret: shape.SecretID}, nil
	case shape.Action == actionAbandon, shape.Action == actionRelease, shape.Action == actionRollBack:
		if shape.SecretID == "" {
			return request{}, fmt.Errorf("the action %s is for one secret: give its ARN as SecretId", shape.Action)
		}
		return request{action: shape.Action, secret: shape.SecretID}, nil
	default:
		return request{}, errors.New("unknown event: " + usage)
	}
}

// labels are one staging label, as Secrets Manager's guide has it in the event Secret Label
// Updated, or a list of them: another form does not turn the event away.
type labels []string

// UnmarshalJSON reads either.
func (l *labels) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = labels{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// several tells whether more than one of the facts holds.
func several(facts ...bool) bool {
	return len(slices.DeleteFunc(facts, func(fact bool) bool { return !fact })) > 1
}
