package plan

import (
	"time"
)

// What an operator does about an alarm, in one sentence. docs/operate.md has the details under
// the alarm's reason.
const (
	remedyHeld      = "find what uses the old value (the log line with the audit word held has the evidence), fix it, then send release"
	remedyLost      = "restore the credential's field, or its target; if the change was intended, send release, and remove the old value from its target yourself"
	remedyElsewhere = "store the new value in the other secret too, or remove the credential there; or send release, and the function never touches the value again"
	remedyUnread    = "restore the secret that cannot be read, or remove it from SECRET_ARNS"
	remedyLeaked    = "start the emergency rotation again; if nothing has leaked, send release"
	remedyNoAnswer  = "find out why the target does not answer, then start the emergency rotation again; if nothing has leaked, send release"
	remedySet       = "set AWSCURRENT's value at the target as an administrator, or store in the secret what the target accepts"
	remedyService   = "fix the service as the reason says, or correct ECS_SERVICES"
	remedyOlder     = "stop the tasks named in the reason; if they do not use the secret, send release"
	remedyUnclear   = "let the function reach the login page at MAUTIC_URL past whatever answers instead, or correct MAUTIC_URL"

	remedyEmergency = "fix the application: the old value has leaked, so nothing is rolled back"
	remedyPending   = "let the pending emergency finish; if its steps fail, send abandon and start it again"
	remedyTwice     = "fix the application: it does not start with the old values either"
	remedyByHand    = "correct what was stored in the secret, or move AWSCURRENT back by hand"
	remedyConverged = "fix the application, or move AWSCURRENT back by hand while the old value is accepted"
	remedyRestored  = "fix the application, or move AWSCURRENT back by hand; the function first makes the target accept the old value again"
	remedyNoWayBack = "fix the application; if the targets refuse the new value too, set it there"
)

// remedyRefused is the remedy if the target refuses AWSCURRENT's value.
func remedyRefused(k Kind) string {
	if live, ok := k.Live(); ok {
		return "move AWSCURRENT to version " + live.Version + " by hand, or store the right value in the secret"
	}
	return remedySet
}

// remedied sets the remedy of alarms.
func remedied(remedy string, actions ...Action) []Action {
	for i := range actions {
		actions[i].Remedy = remedy
	}
	return actions
}

// until sets the time at which waits end.
func until(at time.Time, actions ...Action) []Action {
	for i := range actions {
		actions[i].Until = at
	}
	return actions
}
