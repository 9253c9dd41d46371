package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/plan"
)

// story describes events as they happen, one at a time.
type story struct {
	d *demo

	current   document.Document // when the latest rotation started
	changes   []kind            // of that rotation
	preflight string            // the token of the latest test-only rotation
	logged    string            // the last line printed from the function's log
	told      map[string]bool   // lines about mail that were printed
}

// line describes an event; "": it is not shown.
func (s *story) line(event host.Event) string {
	switch e := event.(type) {
	case localsecretsmanager.RotationEvent:
		switch e.Name {
		case localsecretsmanager.RotationStarted:
			s.current, _ = s.d.document(func(v localsecretsmanager.VersionState) bool { return slices.Contains(v.Labels, "AWSCURRENT") })
		case localsecretsmanager.TestRotationStarted:
			s.preflight = e.Token
		}
		return s.d.screen.colour(dim, string(e.Name))
	case localsecretsmanager.StepFinished:
		return s.step(e)
	case localecs.TaskChanged:
		return s.task(e)
	case wire.CallFinished:
		return s.keys(e.Call)
	case locallambda.FunctionLog:
		return s.log(e.Line)
	default:
		return ""
	}
}

// step describes what a step did for each kind.
func (s *story) step(e localsecretsmanager.StepFinished) string {
	screen := s.d.screen
	if e.Err != nil {
		return fmt.Sprintf("%s %-13s %s", screen.colour(red, "✗"), e.Step, message(e.Err))
	}
	done := screen.colour(green, "✓") + " " + e.Step
	if e.Token == s.preflight {
		return done + "  preflight: a rotation would work"
	}
	if e.Step == "createSecret" {
		pending, _ := s.d.document(func(v localsecretsmanager.VersionState) bool { return v.ID == e.Token })
		s.changes = slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return !k.changed(s.current, pending) })
	}
	if len(s.changes) == 0 {
		return done + "  nothing to change"
	}
	if e.Step == "finishSecret" {
		done += "  tried each value once more, then moved AWSCURRENT"
	}
	for _, k := range s.changes {
		if did := k.did[e.Step]; did != "" {
			done += s.d.db.named(below + fmt.Sprintf("%-9s %s", k.name, did))
		}
	}
	return done
}

// shown are the decisions that change something or that an operator needs to know about.
// Most of the log is decisions to wait or to look, which are left out.
var shown = []plan.Do{
	plan.BeginRollout, plan.Redeploy, plan.Converge, plan.NoteUnhealthy, plan.NoteHealthy, plan.RollBack, plan.FinishRollBack,
	plan.SetAgain, plan.PutBack, plan.Quarantine, plan.Watch, plan.Restore, plan.Hold, plan.Revoke, plan.GiveUp, plan.Fence, plan.Alarm,
}

// log picks the lines of the function's log that tell what follows a promotion.
func (s *story) log(line string) string {
	var entry struct{ Level, Message, Decision, Why, Evidence, Notice, Kind string }
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return ""
	}
	text := ""
	switch {
	case entry.Notice != "":
		text = s.d.screen.colour(bold, entry.Message)
	case entry.Message == "reconcile" && slices.Contains(shown, plan.Do(entry.Decision)):
		why, _, _ := strings.Cut(entry.Why, ": service ") // tasks have lines of their own
		text = fmt.Sprintf("%s: %s", entry.Decision, why)
	case strings.HasPrefix(entry.Message, "retired"), strings.HasPrefix(entry.Message, "held"),
		strings.HasPrefix(entry.Message, "rolled back"), strings.HasPrefix(entry.Message, "not rotated"):
		text = entry.Message
	}
	if text == "" {
		return ""
	}
	if entry.Kind != "" {
		text = entry.Kind + ": " + text
	}
	if entry.Evidence != "" {
		text += " (" + entry.Evidence + ")"
	}
	if text == s.logged {
		return "" // a repetition
	}
	s.logged = text
	if entry.Level == "ERROR" || entry.Level == "WARN" {
		return s.d.screen.colour(red, "! ") + text
	}
	return s.d.screen.colour(green, "→ ") + text
}

// message is the function's error message, without the stand-in's prefix.
func message(err error) string {
	var step *localsecretsmanager.StepError
	if errors.As(err, &step) {
		return step.Message
	}
	return err.Error()
}

func (s *story) task(e localecs.TaskChanged) string {
	task := fmt.Sprintf("  %s task %s", e.Service, short(e.Task))
	switch {
	case e.Status == "RUNNING" && e.Healthy:
		return task + " is running, started with " + s.d.labelReadBy(e.Task)
	case e.Status == "STOPPED":
		return task + " has stopped"
	default:
		return ""
	}
}

// short is enough of an id to tell it from others.
func short(id string) string {
	id = id[strings.LastIndexByte(id, '/')+1:]
	return id[:min(8, len(id))]
}
