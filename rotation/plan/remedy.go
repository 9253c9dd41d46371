package plan

import (
	"time"
)

// What a person does about an alarm, in one sentence. The whole of it is in
// docs/operate.md, by the alarm's reason.
const (
	remedyHeld      = "find what uses the old value (the log's line with the audit word held has the evidence), correct it, then send release"
	remedyLost      = "put the credential's field, or its target, back as it was; if the change was meant, send release, and remove the old value at its target yourself"
	remedyElsewhere = "store the new value in the other secret too, or take the credential out there; or send release, after which the value is never touched"
	remedyUnread    = "restore the secret that cannot be read, or take it out of SECRET_ARNS"
	remedyLeaked    = "start the emergency rotation again; if nothing has leaked, send release"
	remedyNoAnswer  = "see why the target does not answer, then start the emergency rotation again; if nothing has leaked, send release"
	remedySet       = "set AWSCURRENT's value at the target as an administrator, or store in the secret what the target accepts"
	remedyService   = "correct the service as the reason says, or ECS_SERVICES"
	remedyOlder     = "stop the tasks that are named; if they do not use the secret, send release"
	remedyUnclear   = "let the function reach the login page at MAUTIC_URL past whatever answers in its place, or correct MAUTIC_URL"

	remedyEmergency = "correct the application: the old value has leaked, and nothing goes back to it"
	remedyPending   = "let the pending emergency end, or send abandon"
	remedyTwice     = "correct the application, which does not come up with the old values either"
	remedyByHand    = "correct what was stored in the secret, or move AWSCURRENT back by hand"
	remedyConverged = "correct the application, or move AWSCURRENT back by hand while the old value is accepted"
	remedyRestored  = "correct the application, or move AWSCURRENT back by hand; the old value is made accepted again first"
	remedyNoWayBack = "correct the application; if the targets refuse the new value too, set it there"
)

// remedyRefused is what a person does about AWSCURRENT's value where its target refuses
// it.
func remedyRefused(k Kind) string {
	if live, ok := k.Live(); ok {
		return "move AWSCURRENT to version " + live.Version + " by hand, or store the right value in the secret"
	}
	return remedySet
}

// remedied gives alarms what a person does about them.
func remedied(remedy string, actions ...Action) []Action {
	for i := range actions {
		actions[i].Remedy = remedy
	}
	return actions
}

// until says when waits end, which they do by the clock.
func until(at time.Time, actions ...Action) []Action {
	for i := range actions {
		actions[i].Until = at
	}
	return actions
}
