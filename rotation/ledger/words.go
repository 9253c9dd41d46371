package ledger

// Means says in words what a state means, as docs/operate.md has it. "": it is none of the
// ledger's.
func (s State) Means() string { return meanings[s] }

var meanings = map[State]string{
	Pending:     "a rotation is setting the value, or has",
	Proven:      "the target accepts it",
	Old:         "another value is wanted. It is still accepted, and is taken away when nothing uses it",
	Quarantined: "it is refused, can be restored, and is being watched",
	Held:        "something still uses it, so it stays accepted",
	Released:    "it was held, and you have released it",
	GivenUp:     "its rotation was given up; it is taken away next",
	Revoking:    "an emergency takes it away",
	RolledBack:  "its promotion was rolled back. It is taken away once no task has it",
	Failed:      "its promotion was rolled back, and it is refused. The schedule is held off",
	Foreign:     "you have released it, and the function never touches it",
}
