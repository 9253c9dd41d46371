package main

// A mutation breaks the engine in one way, by an exact replacement of text that
// is in its file once.
type mutation struct {
	name, what     string
	file, old, new string
	killer         []string // the go command that has to fail
}

// trials are those of the crash matrix in one scenario whose name and call match.
func trials(scenario, match string) []string {
	return []string{"run", "./cmd/crash", "-first", "-scenario", scenario, "-match", match}
}

// noFault is for what shows without any fault: the scenario itself is then not
// as it should be, and its trials are not reached.
const noFault = "^[a-z-]+/1/throttled "

// mutations are all mutations, with the fewest trials that show each.
var mutations = []mutation{
	{
		name: "retain-without-replace", what: "the new password is set with RETAIN, and without REPLACE",
		file:   "rotation/database/self.go",
		old:    "err := t.own.execWithRoles(ctx, swapStatement, next.password, present.password)",
		new:    "err := t.own.execWithRoles(ctx, makePrimaryStatement, next.password)",
		killer: trials("plain", "/killed-after mysql query: ALTER USER .*RETAIN"),
	},
	{
		name: "discard-without-swap", what: "the old password is taken away by DISCARD OLD PASSWORD",
		file:   "rotation/database/self.go",
		old:    "err := t.own.Exec(ctx, keepStatement, current.password, current.password)",
		new:    `err := t.own.Exec(ctx, "ALTER USER USER() DISCARD OLD PASSWORD")`,
		killer: trials("given-up", noFault),
	},
	{
		name: "redeploy-once", what: "finishSecret does nothing when its token is current already",
		file:   "rotation/steps.go",
		old:    "	old, noted := promotedOver(journal, r.event.Token)\n	if !state.promoted {",
		new:    "	if state.promoted {\n		return r.alreadyPromoted()\n	}\n	old, noted := promotedOver(journal, r.event.Token)\n	if !state.promoted {",
		killer: trials("plain", "/killed-after aws finishSecret: UpdateSecretVersionStage .*VersionStage=AWSCURRENT"),
	},
	{
		name: "retire-before-convergence", what: "an old value is taken away while tasks that were started with it are left",
		file:   "rotation/reconcile_plan.go",
		old:    "	case s.services && !s.rollout.Fresh:",
		new:    "	case s.services:\n		return true, \"\"\n	case s.services && !s.rollout.Fresh:",
		killer: trials("seldom", noFault),
	},
	{
		name: "pending-left-on-bad", what: "a rollback leaves AWSPENDING on the bad version",
		file:   "rotation/rollback.go",
		old:    "	if err := r.takePendingOff(ctx, bad.id, m); err != nil {\n		return err\n	}\n",
		new:    "",
		killer: trials("rolled-back", "/2/error-before "),
	},
	{
		name: "set-unnoted", what: "a new password is set without a note in the journal",
		file:   "rotation/steps.go",
		old:    "	_, err = r.write(ctx, rec, entry{phase: phaseSet, live: names(kinds), since: r.now})\n	return err\n",
		new:    "	return nil\n",
		killer: trials("plain", noFault),
	},
	{
		name: "forgotten-too-soon", what: "the journal forgets a password that was given up before it is taken away",
		file:   "rotation/overlap.go",
		old:    "	if err := r.retire(ctx, o); err != nil {\n		return err\n	}\n	if o.entry.phase != phaseRolledBack {\n",
		new:    "	if o.entry.phase != phaseRolledBack {\n		if err := r.forget(ctx, o.record); err != nil {\n			return err\n		}\n	}\n	if err := r.retire(ctx, o); err != nil {\n		return err\n	}\n	if o.entry.phase != phaseRolledBack {\n",
		killer: trials("given-up", noFault),
	},
	{
		name: "any-unknown-key", what: "an access key that no version holds is deleted, whoever's the IAM user is",
		file:   "rotation/smtp/room.go",
		old:    "	case len(unheld) > 0 && o.tag == \"\":\n",
		new:    "	case false:\n",
		killer: []string{"test", "./rotation/smtp", "-run", "^TestALostKeyStaysWhereTheUserMayBeSomebodyElses$"},
	},
	{
		name: "value-logged", what: "the log holds a new password, in a form that is not scrubbed",
		file:   "rotation/steps.go",
		old:    "	r.log.Info(\"made the pending version\", audit, didStore, \"kinds\", names(kinds))\n",
		new:    "	r.log.Info(\"made the pending version\", audit, didStore, \"kinds\", names(kinds), \"value\", []byte(pending.Raw()))\n",
		killer: trials("plain", noFault),
	},
}
