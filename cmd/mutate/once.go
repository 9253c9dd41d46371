package main

// onceMutations bring back what the engine did wrong once, as nearly as it can do so today.
// The explorer sees each of them by its script; docs/proof.md lists them.
var onceMutations = []mutation{
	once("followed-by-promotions-alone", "no rollout follows a change of AWSCURRENT by hand, and what tasks use is retired or forgotten",
		"rotation/plan/rollout.go",
		"	case o.Rollout.Here:\n		return \"\"\n",
		"	case o.Rollout.Here || !follows(o).Promoted:\n		return \"\"\n",
		"database-converged-reconciles: 1 old-document", "database-converged-reconciles: 1 move-back", "database-converged-reconciles: 1 release, 2 move-back"),
	once("mark-of-the-same-second-lost", "of two versions with the same value the one that is marked as rolled back loses its mark, where all happened within a second",
		"rotation/values.go",
		" || e.At.Equal(than.At) && e.Count > than.Count\n",
		"\n",
		"mixed-rollback-reconciles: 1 edit, 11 edit", "quarantine-rollback: 1 edit, 10 edit"),
	once("held-by-a-deployment", "a deployment after the rollout counts as use of the old value, which is held",
		"rotation/plan/old.go",
		"	case postponed(o) != \"\":\n		return do(Wait, \"%s\", postponed(o))\n",
		"	case postponed(o) != \"\":\n		return do(Hold, \"%s\", postponed(o))\n",
		"database-converged-reconciles: 11 deployment"),
	once("put-back-first", "a rollback gives targets of one value their old one before AWSCURRENT is moved, and ends where one of them fails",
		"rotation/rollback.go",
		"	page := s.page()\n	page.Rollout = s.rollout()\n",
		`	for _, k := range s.plan.Kinds {
		kind, _ := r.kind(k.Name)
		old, ok := k.PromotedOver(s.rollout())
		if _, overlaps := kind.(credential.Retirer); !ok || overlaps && !k.Swaps {
			continue
		}
		bad, good, err := r.both(ctx, s, old.Version)
		if err != nil {
			return err
		}
		confirm := func(ctx context.Context) error { _, err := r.confirmQuiet(ctx, s.current, k.Name); return err }
		if err := kind.PutBack(ctx, credential.Change{Current: good, Pending: bad, Confirm: confirm, Log: r.log}); err != nil {
			return err
		}
	}
	page := s.page()
	page.Rollout = s.rollout()
`,
		"mixed-rollback-reconciles: undisturbed"),
	once("refused-and-no-way-back", "a refused value of AWSCURRENT's is neither set again nor a reason to go back",
		"rotation/plan/wanted.go",
		"	case k.Wanted.SetFailed == \"\":\n		a.Do, a.Why = SetAgain, \"its target accepted it before, and refuses it now\"\n",
		"",
		"database-rollout-reconciles: 1 server-restored"),
	once("kinds-by-difference", "a rotation changes the kinds of which its version differs from AWSCURRENT",
		"rotation/steps.go",
		"		if entries[kind.Name()].State == ledger.Pending {\n			kinds",
		"		was, _, _ := kind.Value(current.Doc)\n		if is, ok, _ := kind.Value(pending.Doc); ok && is != was && len(entries) > 0 {\n			kinds",
		"rotation-of-one: 8 move-back"),
	once("others-wait-for-a-rotation", "an old value waits while a rotation of another kind is under way",
		"rotation/plan/old.go",
		"	case slices.Contains(o.RotatingKinds, k.Name):\n		return do(Wait, \"another",
		"	case o.Rotating:\n		return do(Wait, \"another",
		"rotation-left: undisturbed"),
	once("quarantine-noted-as-done", "a label says that a value is quarantined before it is",
		"rotation/takeaway.go",
		"	page = page.With(a.Kind, ledger.Quarantined, time.Time{})\n",
		"	page = page.With(a.Kind, ledger.Quarantined, r.aws.Told())\n",
		"held-reconciles: 13 killed-after"),
	once("changed-after-its-lock-was-lost", "an invocation that has lost its lock goes on with what it decided, though another one has decided otherwise",
		"rotation/takeaway.go",
		"; now.State != decided.State || ",
		"; false && now.State != decided.State || false && ",
		"held-reconciles: 12 lock-lost, 13 switch"),
	once("carried-as-by-hand", "a version that has the same values takes up the rollout as one that no promotion has begun, so that it cannot be rolled back",
		"rotation/act.go",
		"		page.Rollout = was // an edit has left it on the previous version\n",
		"		page.Rollout = was\n		page.Rollout.Promoted = was.Promoted && s.page().Rollout == was\n",
		"failing-rollout: 1 edit"),
	once("given-up-and-forgotten", "the value of a rotation that was given up is forgotten, which a target of one value has",
		"rotation/plan/old.go",
		"		return do(PutBack, \"its rotation was given up\")\n",
		"		return do(Forget, \"its rotation was given up\")\n",
		"given-up-rotation: undisturbed"),
	once("newer-label-tidied", "of two labels on a version a reconcile removes the newer one, which is to replace the other",
		"rotation/reconcile.go",
		"		s = next\n",
		`		s = next
		for _, page := range s.book.Pages {
			if len(page.Labels) > 1 {
				if err := r.write.Relabel(ctx, page.Version, page.Labels[0], page.Labels); err != nil {
					return s, actions, append(faults, err)
				}
			}
		}
`,
		"held-release: 5 switch"),
	once("torn-labels-left", "two labels that an interrupted write has left on a version stay, and whoever removes one of them uncovers the other",
		"rotation/plan/decide.go",
		"	return append(actions, join(actions, o)...)\n",
		"	return actions\n",
		"lost-release: 7 emergency", "single-rollback-reconciles: 10 switch", "lost-release: 7 emergency, 25 day", "lost-release: 7 killed-after, 8 move-back",
		"lost-release: 7 release, 8 emergency", "lost-release: 1 emergency, 10 killed-after", "lost-release: 7 emergency, 24 emergency"),
	once("tidied-one-by-one", "the text of a label comes again that another invocation is about to take off",
		"rotation/act.go",
		"		if a.Do == plan.Tidy && a.Version == version {\n",
		"		if a.Do == plan.Tidy && a.Version == version && len(results) == 0 {\n",
		"rollback-of-one: 10 release, 21 release"),
	once("silence-is-a-refusal", "a promotion is rolled back since the answer was lost when its value was set again",
		"rotation/setagain.go",
		"	if credential.MayPass(err) {\n		// Nobody",
		"	if credential.MayPass(err) {\n		err = errors.New(\"no answer\")\n	}\n	if false {\n		// Nobody",
		"old-task-stays: 1 server-restored, 10 late-by-a-call"),
	once("told-and-promoted", "a rotation is promoted of which the function has been told that it was given up",
		"rotation/steps.go",
		"	if told, known := r.read.Known(); known {\n",
		"	if told, known := r.read.Known(); false && known {\n",
		"emergency-rollback: 4 take-pending-off, 6 reply-lost"),
	once("released-before-the-redeploy", "a release ends a rollout before its services are redeployed",
		"rotation/plan/rollout.go",
		"		if isToRedeploy(s) {\n			names",
		"		if false {\n			names",
		"unhealthy-reconciles: 17 killed-after, 18 day, 19 release"),
	once("set-again-before-noted", "a value of the first edition is set again before a label of its own tells of it",
		"rotation/plan/wanted.go",
		"	case k.Wanted.Entry.Count == 0: ",
		"	case false: ",
		"first-edition: 1 server-restored, 7 edit-value"),
	once("rolled-back-into-an-emergency", "a promotion is rolled back to values that an emergency in progress is about to take away",
		"rotation/observe.go",
		"EmergencyPending: s.pending != \"\" && s.pending != r.event.Token && r.byEmergency(s.pending),",
		"EmergencyPending: false,",
		"emergency-setSecret-reconcile: 1 key-deleted, 7 switch", "emergency-createSecret-reconcile: 14 key-deleted, 19 late-at-the-end"),
	once("rolled-back-right-after-giving-up", "a promotion is rolled back right after a rotation was given up, a call of which takes away what is current again",
		"rotation/plan/rollout.go",
		"; o.Now.Before(end) {",
		"; end.IsZero() {",
		"emergency-setSecret-reconcile: 1 key-deleted, 7 abandon", "emergency-createSecret-reconcile: 14 key-deleted, 20 abandon"),
	once("emergency-beside-a-rollback", "an emergency makes its values while a version is marked for a rollback",
		"rotation/steps.go",
		"	if r.found.unfinished { //",
		"	if false { //",
		"failing-emergency: 15 late-at-its-end"),
	once("wanted-value-released", "a release takes AWSCURRENT's own value, which was held before, for one that still waits for it",
		"rotation/operator.go",
		"			case e.State == ledger.Held && page.Version != s.current:",
		"			case e.State == ledger.Held:",
		"held-release: 1 move-back, 3 switch"),
	once("put-back-before-noted", "a test that fails puts a value back that no label tells of",
		"rotation/steps.go",
		"	if err := r.noteToSet(ctx, kinds, current, pending); err != nil {\n		return err\n	}\n",
		"",
		"single-testSecret-again: 1 move-back, 4 fails, 13 move-back"),
}

// once is a mutation that the explorer's test sees, which plays its scripts.
func once(name, what, file, old, new string, scripts ...string) mutation {
	return mutation{
		name: name, what: what, file: file, old: old, new: new, scripts: scripts,
		killer: test{explorer, "TestWhatTheSearchHasFoundHoldsNow/" + scripts[0]},
	}
}
