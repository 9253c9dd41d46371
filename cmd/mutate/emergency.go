package main

// emergencyMutations break what an emergency is for.
var emergencyMutations = []mutation{
	{
		name: "leaked-kept", what: "a value that may have leaked is taken away in its own time only",
		file:   "rotation/steps.go",
		old:    "page.With(name, ledger.Revoking, r.aws.Told())",
		new:    "page.With(name, ledger.Proven, r.aws.Told())",
		killer: test{engine, "TestInAnEmergencyOldValuesAreGoneWithThePromotion"},
	},
	{
		name: "leaked-not-revoked", what: "a value that may have leaked is not revoked",
		file:   "rotation/plan/old.go",
		old:    "		return do(Revoke, \"it may have leaked\")\n",
		new:    "		return do(Wait, \"it may have leaked\")\n",
		killer: test{engine, "TestInAnEmergencyOldValuesAreGoneWithThePromotion"},
	},
	{
		name: "older-leaks-kept", what: "older values of the kind stay, which have leaked no less",
		file:   "rotation/plan/old.go",
		old:    "	case isLeakedToo(k) && unmarked(old):\n",
		new:    "	case false:\n",
		killer: test{engine, "TestInAnEmergencyOldValuesAreGoneWithThePromotion"},
	},
	{
		name: "issued-kept", what: "what was issued under a leaked value stays accepted",
		file:   "rotation/revoke.go",
		old:    "	if revoker, ok := kind.(credential.Revoker); ok {\n",
		new:    "	if revoker, ok := kind.(credential.Revoker); ok && r.event.Token == \"\" {\n",
		killer: test{engine, "TestInAnEmergencyOldValuesAreGoneWithThePromotion"},
	},
	{
		name: "rolled-back-to-a-leak", what: "an emergency is rolled back to the values that may have leaked",
		file:   "rotation/plan/rollout.go",
		old:    "	case r.Emergency || emergency(o):\n",
		new:    "	case emergency(o):\n",
		killer: test{planner, "TestEachPolicyDecidesByItsOwnReason/an emergency fails"},
	},
	{
		name: "given-up-in-silence", what: "nobody is told that a leaked value is accepted since its emergency was given up",
		file:   "rotation/plan/wanted.go",
		old:    "do(Alarm, \"not rotated: the value may have leaked, and its target accepts it",
		new:    "do(Wait, \"nothing: the value may have leaked, and its target accepts it",
		killer: test{engine, "TestAnEmergencyThatIsGivenUpLeavesOlderOverlapsAlone"},
	},
	{
		name: "leaked-and-moved-by-hand", what: "a value that may have leaked is kept where somebody has moved AWSCURRENT before the step",
		file:   "rotation/plan/decide.go",
		old:    "		case o.Emergency:\n",
		new:    "		case false:\n",
		killer: test{engine, "TestWhatAnEmergencyHasReplacedIsTakenAwayThoughSomebodyHasMovedAWSCURRENT"},
	},
	{
		name: "leaked-and-released", what: "a release keeps a value that an emergency is replacing",
		file:   "rotation/operator.go",
		old:    "	return !replaced\n",
		new:    "	return true\n",
		killer: test{engine, "TestAReleaseDoesNotKeepAValueThatAnEmergencyIsReplacing"},
	},
	{
		name: "leaked-and-released-late", what: "a release that comes late keeps a value that an emergency is replacing",
		file:   "rotation/steps.go",
		old:    "		case when == leaked: //",
		new:    "		case when == leaked && e.State != ledger.Revoking: //",
		killer: test{engine, "TestAReleaseThatComesLateDoesNotKeepAValueThatAnEmergencyIsReplacing"},
	},
}
