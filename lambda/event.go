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

// The function accepts five kinds of event: a step of Secrets Manager's rotation, an operator's
// action, a change of an ECS deployment, a move of a label, and a scheduled tick. The last three
// only say that it is time to look.

// action is what an operator, or EventBridge, asks for.
type action string

const (
	actionReconcile action = "reconcile" // look, and do what comes next
	actionAbandon   action = "abandon"   // give up the pending rotation
	actionRelease   action = "release"   // continue with what is held
	actionRollBack  action = "roll-back" // make the old values current again
	actionStatus    action = "status"    // report the state
	actionPreflight action = "preflight" // check whether a rotation would work
	actionVerify    action = "verify"    // check whether everything is as it should be
)

// looks are the actions that change nothing.
var looks = []action{actionStatus, actionPreflight, actionVerify}

// orders are an operator's actions for one secret. If one fails after it has changed something,
// it answers with its report, which contains the error, because the operator needs both.
var orders = []action{actionAbandon, actionRelease, actionRollBack}

// request is an event of any shape, read.
type request struct {
	step   rotation.Event // the step of a rotation, if action is ""
	action action
	secret string    // that the action is for; "" means all
	tick   bool      // a scheduled tick, which also measures
	event  bool      // from ECS or Secrets Manager; it may be the last one
	moved  time.Time // when AWSCURRENT was moved, according to the event; zero: it does not say

	movedTo string // the version that it was moved to; "": the event does not say
}

const usage = "this function accepts the events of Secrets Manager's rotation, which have Step, SecretId and ClientRequestToken (start one with `aws secretsmanager rotate-secret --secret-id …`), " +
	`{"Action": "reconcile"}, {"Action": "status"}, {"Action": "preflight"}, {"Action": "verify"}, {"Action": "abandon", "SecretId": "…"}, {"Action": "release", "SecretId": "…"}, {"Action": "roll-back", "SecretId": "…"}, and EventBridge's ECS Deployment State Change, Secret Label Updated and Scheduled Event`

// parse recognises an event by its shape. No error quotes the event.
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

// labels is one staging label, as Secrets Manager's guide shows it in the event Secret Label
// Updated, or a list of them: either form is accepted.
type labels []string

// UnmarshalJSON reads either form.
func (l *labels) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = labels{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// several reports whether more than one of the facts holds.
func several(facts ...bool) bool {
	return len(slices.DeleteFunc(facts, func(fact bool) bool { return !fact })) > 1
}
