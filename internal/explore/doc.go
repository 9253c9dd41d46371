// Package explore searches the engine's promises. It runs the engine in process, on
// the core of the stand-in for Secrets Manager and on targets and tasks in memory,
// and tries every history of two invocations that at most so many disturbances come
// into: the other invocation has its turn, a call goes wrong, or something is done from
// outside. See [Scenario] and [Disturbance].
//
//	e, err := explore.New(scenario)
//	e.Complete(2, nil)
//	for _, v := range e.Found {
//		fmt.Println(v) // what does not hold, and the shortest script that shows it
//	}
//
// A history is played one call at a time. An invocation is a coroutine that stops
// where it is about to make a call; there are no goroutines, no real time and nothing
// random in it, so that a [Script] tells all of it: at which step what comes. Between
// two calls the checker (check.go) judges the world by values alone. At its end
// nothing disturbs the history any more, the schedule ticks until nothing changes, an
// operator does what alarms ask for, and then a rotation has to succeed.
//
// A search goes through the scripts in depth. A state that was reached before is not
// followed again: states are the same if the world is, if each invocation has made
// the same calls and been answered the same, and if as many disturbances may follow.
package explore
