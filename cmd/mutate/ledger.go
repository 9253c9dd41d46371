package main

// ledgerMutations break how the labels are written and read.
var ledgerMutations = []mutation{
	{
		name: "newer-entry-loses", what: "of two entries on a version the later state holds, and not the newer entry",
		file:   "rotation/ledger/ledger.go",
		old:    "		cmp.Compare(a.Count, b.Count),\n",
		new:    "",
		killer: test{book, "TestTheNewerEntryHoldsWhateverItsStateIs"},
	},
	{
		name: "joined-as-it-was", what: "what joins the labels of a version has the text of one that another invocation is about to take off",
		file:   "rotation/ledger/ledger.go",
		old:    "			e.Count++\n			p = p.with(kind, e)\n",
		new:    "			p = p.with(kind, e)\n",
		killer: test{book, "TestLabelsAreJoinedByWhatStaysAsItIs"},
	},
	{
		name: "joined-over-a-newer-entry", what: "what joins the labels of a version undoes what another invocation writes meanwhile",
		file:   "rotation/ledger/ledger.go",
		old:    "		if e.stays() {\n			e.Count++\n",
		new:    "		if true {\n			e.Count++\n",
		killer: test{book, "TestLabelsAreJoinedByWhatStaysAsItIs"},
	},
	{
		name: "hash-left-out", what: "a label says nothing of its version, so that the same text on another one takes it away",
		file:   "rotation/ledger/codec.go",
		old:    "	sum := sha256.Sum256([]byte(version))\n",
		new:    "	sum := sha256.Sum256([]byte(version)[:0])\n",
		killer: test{book, "TestAPageIsReadAsItWasWrittenAndFitsIntoALabel"},
	},
	{
		name: "label-of-another-version", what: "a label counts that was written for another version",
		file:   "rotation/ledger/codec.go",
		old:    "	if len(parts) == 0 || parts[0] != hash(version) {\n",
		new:    "	if len(parts) == 0 {\n",
		killer: test{book, "TestAPageIsReadAsItWasWrittenAndFitsIntoALabel"},
	},
	{
		name: "unreadable-label-ignored", what: "a label that cannot be understood is passed over",
		file:   "rotation/ledger/book.go",
		old:    "				faults = append(faults, err)\n",
		new:    "",
		killer: test{book, "TestLabelsOfOthersAreLeftAloneAndAnUnreadableOneStopsWithItsRemedy"},
	},
	{
		name: "too-long-label", what: "a label is written that Secrets Manager does not take",
		file:   "rotation/ledger/codec.go",
		old:    "	if len(label) > MaxLabel {\n",
		new:    "	if false {\n",
		killer: test{book, "TestWhatNoLabelCanHoldIsAnErrorAndNoLabel"},
	},
	{
		name: "earlier-rollout-counts", what: "of two rollouts the earlier one counts",
		file:   "rotation/ledger/ledger.go",
		old:    "	switch order := a.Since.Compare(b.Since); {\n",
		new:    "	switch order := b.Since.Compare(a.Since); {\n",
		killer: test{book, "TestTheLatestRolloutOfAllLabelsCounts"},
	},
	{
		name: "convergence-lost", what: "a rollout is open again when an older label tells of it, too",
		file:   "rotation/ledger/ledger.go",
		old:    "	a.Converged = earlier(a.Converged, b.Converged)\n",
		new:    "",
		killer: test{book, "TestOfTwoLabelsOnAVersionTheHigherCountHoldsKindByKind"},
	},
	{
		name: "converged-and-promoted", what: "a rollout that has converged can be rolled back",
		file:   "rotation/ledger/ledger.go",
		old:    "	return Rollout{Since: r.Since, Converged: at.UTC().Truncate(time.Second)}\n",
		new:    "	r.Converged = at.UTC().Truncate(time.Second)\n	return r\n",
		killer: test{book, "TestARolloutThatHasConvergedIsNoReasonToRollBack"},
	},
	{
		name: "count-starts-anew", what: "a new entry on a version counts for no newer than the one that it replaces",
		file:   "rotation/ledger/ledger.go",
		old:    "Count: p.Entries[kind].Count + 1, ",
		new:    "Count: 1, ",
		killer: test{book, "TestTheNewerEntryHoldsWhateverItsStateIs"},
	},
	{
		name: "failed-is-live", what: "a value that its target refuses counts as live for ever",
		file:   "rotation/ledger/ledger.go",
		old:    "return s != Failed && s != \"\" }",
		new:    "return s != \"\" }",
		killer: test{book, "TestOnlyARefusedValueIsNotLive"},
	},
}
