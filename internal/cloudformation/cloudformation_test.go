package cloudformation

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// small is a template with one resource, which has these properties.
const small = `
Parameters:
  Name: {Type: String, Default: n}
  Days: {Type: Number, Default: 90, MinValue: 1, MaxValue: 365}
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>', Default: 'subnet-1, subnet-2'}
  Kind: {Type: String, Default: a, AllowedValues: [a, b]}
  Zone: {Type: String, Default: '', AllowedPattern: '^[a-z]{0,3}$'}
Rules:
  NamesGoWithA:
    RuleCondition: !Equals [!Ref Kind, b]
    Assertions:
      - {Assert: !Not [!Equals [!Ref Name, n]], AssertDescription: b takes a Name}
Conditions:
  IsB: !Equals [!Ref Kind, b]
  IsNamed: {'Fn::Not': [{'Fn::Equals': [{Ref: Name}, n]}]}
  Both: !And [!Condition IsB, {Condition: IsNamed}]
  Either: !Or [!Condition IsB, !Condition IsNamed]
Resources:
  Role:
    Type: AWS::IAM::Role
  Queue:
    Type: AWS::SQS::Queue
    Condition: IsB
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub '${Name}-function'
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Function, Name: read}
  It:
    Type: Test
    Properties:
      Value: `

// value renders small with a value in it.
func value(t *testing.T, text string, parameters map[string]string) (any, error) {
	t.Helper()
	template, err := Parse([]byte(small + text + "\n"))
	if err != nil {
		return nil, err
	}
	stack, err := template.Render(Options{Parameters: parameters, Region: "eu-west-1", AccountID: "111122223333", StackName: "s"})
	if err != nil {
		return nil, err
	}
	return stack.Resources["It"].Properties["Value"], nil
}

func TestFunctionsComeToWhatCloudFormationMakesOfThem(t *testing.T) {
	t.Parallel()
	named := map[string]string{"Name": "x", "Kind": "b"}
	for text, tc := range map[string]struct {
		parameters map[string]string
		want       any
	}{
		`!Ref Days`:    {nil, "90"},
		`!Ref Subnets`: {nil, []any{"subnet-1", "subnet-2"}},
		`true`:         {nil, "true"},
		`!Sub 'a ${Name} ${AWS::Region} ${!Name} ${Role.Arn}'`:                     {nil, "a n eu-west-1 ${Name} arn:aws:iam::111122223333:role/s-Role-1A2B3C4D5E6F"},
		`!Sub ['${A}-${Name}', {A: !Ref Kind}]`:                                    {nil, "a-n"},
		`{'Fn::Sub': '${Function}'}`:                                               {named, "x-function"},
		`!GetAtt Function.Arn`:                                                     {named, "arn:aws:lambda:eu-west-1:111122223333:function:x-function"},
		`!Ref Alias`:                                                               {named, "arn:aws:lambda:eu-west-1:111122223333:function:x-function:read"},
		`!GetAtt [Queue, Arn]`:                                                     {named, "arn:aws:sqs:eu-west-1:111122223333:s-Queue-1A2B3C4D5E6F"},
		`!Join [',', [a, !If [IsB, b, !Ref AWS::NoValue], !Ref Name]]`:             {nil, "a,n"},
		`!Select [1, !Split ['-', a-b-c]]`:                                         {nil, "b"},
		`{a: !If [Both, 1, !Ref 'AWS::NoValue'], b: !If [Either, 1, 2]}`:           {nil, map[string]any{"b": "2"}},
		`{a: !If [Both, 1, !Ref 'AWS::NoValue'], c: !If [Either, [!Ref Name], 2]}`: {named, map[string]any{"a": "1", "c": []any{"x"}}},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got, err := value(t, text, tc.parameters); err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %#v, %v, want %#v", got, err, tc.want)
			}
		})
	}
}

func TestWhatIsWrongOrNotKnownIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`!Ref Nobody`:                  "no parameter and no resource Nobody",
		`!GetAtt Queue.Arn`:            "its condition is not met",
		`!GetAtt Role.Age`:             "the attribute Age of a AWS::IAM::Role is not known",
		`!GetAtt It.Arn`:               "the attribute Arn of a Test is not known",
		`!Cidr [a, b]`:                 "the function !Cidr is not supported",
		`{'Fn::FindInMap': [a, b, c]}`: "the function Fn::FindInMap is not supported",
		`!Join [!Ref Name, [a]]`:       "its delimiter is no plain text",
		`!Join [',', a]`:               "a list is needed",
		`!Select [2, [a, b]]`:          "no item 2 in a list of 2",
		`!If [IsC, a, b]`:              "there is no condition IsC",
		`!If [IsB, a]`:                 "it takes a list of 3",
		`!Equals [a, a]`:               "Fn::Equals: it is not supported here",
		`!Sub '${Role.Arn} ${Nobody}'`: "${Nobody}: there is no parameter and no resource Nobody",
		``:                             "a value is missing",
		`{a: 1, a: 2}`:                 "a is there twice",
		"x\n  Odd: {Type: Test, Conditions: [IsB]}": "resource Odd: Conditions is not supported",
		"x\nOutputs:\n  O: {Value: [a]}":            "output O:",
		"x\nMappings: {}":                           "the section Mappings is not supported",
		"x\n  A: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !GetAtt A.QueueName}}": "depends on itself",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if _, err := value(t, text, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want in it %q", err, want)
			}
		})
	}
}

func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	for want, parameters := range map[string]map[string]string{
		"the template has no parameter Title":      {"Title": "x"},
		`"400" does not satisfy MaxValue 365`:      {"Days": "400"},
		`"0" does not satisfy MinValue 1`:          {"Days": "0"},
		`parameter Days: MaxValue`:                 {"Days": "many"},
		`"c" does not satisfy AllowedValues [a b]`: {"Kind": "c"},
		`"abcd" does not satisfy AllowedPattern`:   {"Zone": "abcd"},
		"rule NamesGoWithA: b takes a Name":        {"Kind": "b"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if _, err := value(t, "x", parameters); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
	for text, want := range map[string]string{
		"Parameters: {P: {Type: String}}\nResources: {}":                                "it has no default",
		"Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: x}}":     "the type \"AWS::SSM::Parameter::Value<String>\" is not supported",
		"Parameters: {P: {Type: String, Default: x, Allowed: y}}":                       "Allowed is not supported",
		"Conditions: {C: !Equals [!Ref R, a]}\nResources: {R: {Type: AWS::SQS::Queue}}": "a condition depends on parameters alone, and R is none",
		"Conditions: {C: !Not [!Condition D], D: !Not [!Condition C]}":                  "depends on itself",
	} {
		template, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := template.Render(Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want in it %q", err, want)
		}
	}
}

func TestAFunctionHasWhatTheGlobalsSay(t *testing.T) {
	t.Parallel()
	template, err := Parse([]byte(`
Globals:
  Function: {Timeout: 3, Environment: {Variables: {A: a, B: b}}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {Timeout: 60, Environment: {Variables: {B: !Ref AWS::Region}}}
Outputs:
  Arn: {Value: !GetAtt F.Arn}
`))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := template.Render(Options{Attribute: func(id, attribute string) (string, bool) { return "the " + attribute + " of " + id, true }})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := stack.Environment("F")
	if want := map[string]string{"A": "a", "B": "us-east-1"}; err != nil || !maps.Equal(environment, want) {
		t.Errorf("got %v, %v", environment, err)
	}
	if stack.Resources["F"].Properties["Timeout"] != "60" || stack.Outputs["Arn"] != "the Arn of F" {
		t.Errorf("got %+v", stack)
	}
	if _, err := stack.Environment("G"); err == nil {
		t.Error("no error for a function that is not there")
	}
}

func TestTheBranchesThatWereTakenAreTold(t *testing.T) {
	t.Parallel()
	template, err := Parse([]byte(small + `[!If [IsB, !If [Either, a, b], !Ref AWS::NoValue], !If [IsNamed, c, d]]`))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := template.Render(Options{Parameters: map[string]string{"Kind": "b", "Name": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	taken, open := 0, []string{}
	for _, b := range template.Branches("It") {
		if stack.Taken[b] {
			taken++
			continue
		}
		open = append(open, b.Condition+" "+b.String()[strings.Index(b.String(), ", ")+2:])
	}
	slices.Sort(open)
	if want := []string{"Either without Either", "IsNamed without IsNamed"}; taken != 3 || !slices.Equal(open, want) {
		t.Errorf("%d taken, and not %q, want 3 and %q", taken, open, want)
	}
}
