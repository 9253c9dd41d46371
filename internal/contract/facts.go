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
			Name:     "When does the condition key secretsmanager:resource/AllowRotationLambdaArn let the function in?",
			Believed: []string{"once RotateSecret has named it"}, Policies: true,
			DependsOn: "template.yaml: the function's role may use a secret under this condition alone",
			Ask:       askNamedCondition,
		},
		{
			Name:     "Which value has the condition key secretsmanager:ModifyRotationRules for a RotateSecret with nothing but a token?",
			Believed: []string{"false", "absent"}, Open: true, Policies: true,
			DependsOn: "template.yaml: OperatorRotatePolicy lets people start a rotation, and not change its rules, by BoolIfExists",
			Ask:       askRulesCondition,
		},
		{
			Name:     "Does GetAccessKeyLastUsed count a login by SMTP?",
			Believed: []string{"yes", "no"}, Open: true,
			DependsOn: "rotation/smtp/retire.go takes it for a hint",
			Unasked:   "it takes SES and a user of IAM's, and it is no more than a hint",
		},
		{
			Name:     "Which form has labelUpdated in EventBridge's Secret Label Updated?",
			Believed: []string{"a text", "a list"}, Open: true,
			DependsOn: "lambda/event.go reads either; a rule's pattern matches either",
			Unasked:   "it takes a rule of EventBridge's, and nothing depends on the answer",
		},
		{
			Name:      "Where does the answer of an event go that succeeded, with an event bus as its destination?",
			Believed:  []string{"to the event bus"},
			DependsOn: "template.yaml: NoticeRule finds the notices there",
			Unasked:   "it takes a rule of EventBridge's, and AWS documents it",
		},
	}
}
