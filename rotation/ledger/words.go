package ledger

// Means explains a state in words, as docs/operate.md does. "": not a ledger state.
func (s State) Means() string { return meanings[s] }

var meanings = map[State]string{
	Pending:     "a rotation is setting the value, or has set it",
	Proven:      "the target accepts it",
	Old:         "replaced by a newer value. It is still accepted, and is retired when nothing uses it",
	Quarantined: "refused, but can be restored; the function watches for anything that still uses it",
	Held:        "something still uses it, so it stays accepted",
	Released:    "it was held, and an operator has released it",
	GivenUp:     "its rotation was given up; it is retired next",
	Revoking:    "an emergency is revoking it",
	RolledBack:  "its promotion was rolled back. It is retired once no task uses it",
	Failed:      "its promotion was rolled back, and it is refused. The schedule is held off",
	Foreign:     "an operator has released it, and the function never touches it",
}
