package contract

import "slices"

// Facts are all of them, in the order in which they are told.
func Facts() []Fact {
	return slices.Concat(valueFacts(), rotationFacts(), scheduleFacts(), lambdaFacts(), otherFacts())
}

// observations are what several facts are about.
type observations struct {
	plain  once[plain]
	failed once[failed]
	tested once[tested]
}

// otherFacts are those that are not asked, or that IAM answers.
func otherFacts() []Fact {
	return []Fact{
		{
			Name:     "For a RotateSecret with nothing but a token, the condition key secretsmanager:ModifyRotationRules is",
			Believed: []string{"false", "absent"}, Open: true, Policies: true,
			DependsOn: "template.yaml: OperatorRotatePolicy lets people start a rotation, and not change its rules, by BoolIfExists",
			Ask:       askRulesCondition,
		},
		{
			Name:     "EventBridge's Secret Label Updated has labelUpdated as",
			Believed: []string{"a text", "a list"}, Open: true,
			DependsOn: "lambda/event.go reads either; a rule's pattern matches either",
			Unasked:   "it takes a rule of EventBridge's, and nothing depends on the answer",
		},
		{
			Name:      "The answer of an event that succeeded goes to the event bus that is its destination",
			Believed:  []string{"yes"},
			DependsOn: "template.yaml: NoticeRule finds the notices there",
			Unasked:   "it takes a rule of EventBridge's, and AWS documents it",
		},
	}
}
