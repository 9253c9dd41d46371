package localaws_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	template "mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws"
	localcloudformation "mautic-rotation/internal/localaws/cloudformation"
)

const templateText = `
Parameters:
  Name: {Type: String, Default: a, AllowedPattern: '[a-z]*'}
  Days: {Type: Number, Default: 30}
  Topic: {Type: String, Default: 'yes'}
Conditions:
  HasTopic: !Equals [!Ref Topic, 'yes']
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {AlarmName: !Sub '${Name}-alarm', AlarmDescription: !Ref Log, Period: !Ref Days}
  Log:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties: {LogGroupName: !Ref Name, RetentionInDays: !Ref Days}
  Topic:
    Type: AWS::SNS::Topic
    Condition: HasTopic
    DeletionPolicy: Retain
    DependsOn: Alarm
    Properties: {TopicName: fixed}
  Key:
    Type: AWS::KMS::Key
    DependsOn: [Log]
Outputs:
  Log: {Value: !Ref Log}
`

// A recorder makes log groups and alarms, and writes down how.
type recorder struct {
	calls []string
	fail  string // the beginning of the call that fails
}

func (r *recorder) note(format string, a ...any) error {
	call := fmt.Sprintf(format, a...)
	r.calls = append(r.calls, call)
	if r.fail != "" && strings.HasPrefix(call, r.fail) {
		return errors.New("refused")
	}
	return nil
}

func name(properties map[string]any) string {
	if its, is := properties["LogGroupName"]; is {
		return fmt.Sprint(its)
	}
	return fmt.Sprint(properties["AlarmName"])
}

func (r *recorder) Create(_ context.Context, properties map[string]any) (string, error) {
	return name(properties), r.note("create %s", name(properties))
}

func (r *recorder) Update(_ context.Context, physicalID string, before, after map[string]any) error {
	return r.note("update %s %v%v to %v%v", physicalID, before["RetentionInDays"], before["Period"], after["RetentionInDays"], after["Period"])
}

func (r *recorder) Delete(_ context.Context, physicalID string) error {
	return r.note("delete %s", physicalID)
}

// deploying is a stand-in whose log groups and alarms are written down.
func deploying(t *testing.T) (f *fixture, r *recorder, deploy func(fail string, pairs ...string) (calls []string, err error)) {
	t.Helper()
	f, r = start(t, localaws.Options{}), &recorder{}
	f.CloudFormation.Provide("AWS::Logs::LogGroup", r)
	f.CloudFormation.Provide("AWS::CloudWatch::Alarm", r)
	parsed, err := template.Parse([]byte(templateText))
	if err != nil {
		t.Fatal(err)
	}
	return f, r, func(fail string, pairs ...string) ([]string, error) {
		parameters := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			parameters[pairs[i]] = pairs[i+1]
		}
		r.calls, r.fail = nil, fail
		err := f.CloudFormation.Deploy(f.Ctx, localcloudformation.Deployment{StackName: "s", Template: parsed, Parameters: parameters})
		return r.calls, err
	}
}

func (f *fixture) status() string {
	f.T.Helper()
	stacks := f.CloudFormation.Stacks()
	if len(stacks) != 1 {
		return fmt.Sprint(len(stacks), " stacks")
	}
	var ids []string
	for _, r := range stacks[0].Resources {
		ids = append(ids, r.LogicalID+"="+r.PhysicalID)
	}
	slices.Sort(ids)
	for i, id := range ids {
		if strings.HasPrefix(id, "Key=") {
			ids[i] = "Key" // its id is made up
		}
	}
	return stacks[0].Status + " " + strings.Join(ids, " ") + " " + stacks[0].Outputs["Log"]
}

func TestAStackIsDeployedFromATemplateAndUpdatedAndDeleted(t *testing.T) {
	t.Parallel()
	f, r, deploy := deploying(t)
	for _, step := range []struct {
		what       string
		fail       string
		parameters []string
		calls      string
		err        string
		status     string
	}{
		{"created, in the order of dependencies", "", nil, "create a, create a-alarm", "", "CREATE_COMPLETE Alarm=a-alarm Key Log=a Topic=fixed a"},
		{"the same again", "", nil, "", "", "UPDATE_COMPLETE Alarm=a-alarm Key Log=a Topic=fixed a"},
		{"changed", "", []string{"Days", "60"}, "update a 30<nil> to 60<nil>, update a-alarm <nil>30 to <nil>60", "", "UPDATE_COMPLETE Alarm=a-alarm Key Log=a Topic=fixed a"},
		{"refused by a pattern", "", []string{"Name", "A"}, "", "ValidationError: parameter Name", "UPDATE_COMPLETE Alarm=a-alarm Key Log=a Topic=fixed a"},
		{
			"not changed after all", "update a-alarm", nil, "update a 60<nil> to 30<nil>, update a-alarm <nil>60 to <nil>30, update a 30<nil> to 60<nil>", "Alarm: refused",
			"UPDATE_ROLLBACK_COMPLETE Alarm=a-alarm Key Log=a Topic=fixed ",
		},
		{"replaced: the new one first, and the old one kept or not", "", []string{"Days", "60", "Name", "b"}, "create b, create b-alarm, delete a-alarm", "", "UPDATE_COMPLETE Alarm=b-alarm Key Log=b Topic=fixed b"},
		{"not replaced after all", "create c-alarm", []string{"Days", "60", "Name", "c"}, "create c, create c-alarm, delete c", "Alarm: refused", "UPDATE_ROLLBACK_COMPLETE Alarm=b-alarm Key Log=b Topic=fixed "},
		{"without a resource, which stays", "", []string{"Days", "60", "Name", "b", "Topic", "no"}, "", "", "UPDATE_COMPLETE Alarm=b-alarm Key Log=b b"},
		{"with it again, whose name is taken", "", []string{"Days", "60", "Name", "b"}, "", "Topic: fixed already exists", "UPDATE_ROLLBACK_COMPLETE Alarm=b-alarm Key Log=b "},
	} {
		calls, err := deploy(step.fail, step.parameters...)
		if got := strings.Join(calls, ", "); got != step.calls {
			t.Errorf("%s: the calls were %s", step.what, got)
		}
		if (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%s: got %v", step.what, err)
		}
		if got := f.status(); got != step.status {
			t.Errorf("%s: the stack is %s", step.what, got)
		}
	}
	r.calls, r.fail = nil, ""
	if err := f.CloudFormation.Delete(f.Ctx, "s"); err != nil || strings.Join(r.calls, ", ") != "delete b-alarm" || f.status() != "0 stacks" {
		t.Errorf("deleted by %v, %v: %s", r.calls, err, f.status())
	}
	if err := f.CloudFormation.Delete(f.Ctx, "s"); err == nil {
		t.Error("it is deleted twice")
	}
}

func TestAStackThatCannotBeCreatedLeavesWhatIsRetainedAlone(t *testing.T) {
	t.Parallel()
	f, r, deploy := deploying(t)
	f.CloudFormation.Provide("AWS::SNS::Topic", &recorder{fail: "create"})
	calls, err := deploy("")
	if err == nil || strings.Join(calls, ", ") != "create a, create a-alarm, delete a-alarm, delete a" || strings.TrimSpace(f.status()) != "ROLLBACK_COMPLETE" {
		t.Errorf("%v, %v: %s", calls, err, f.status())
	}
	if _, err := deploy(""); err == nil || !strings.Contains(err.Error(), "is in ROLLBACK_COMPLETE state and can not be updated") {
		t.Errorf("updated: %v", err)
	}
	f.CloudFormation.Provide("AWS::SNS::Topic", nil)
	r.calls = nil
	if err := f.CloudFormation.Delete(f.Ctx, "s"); err != nil || len(r.calls) > 0 {
		t.Errorf("deleted by %v, %v", r.calls, err)
	}
	if _, err := deploy(""); err != nil {
		t.Error(err)
	}
	f.put(mautic)
	if err := f.CloudFormation.Deploy(f.Ctx, localcloudformation.Deployment{StackName: "mautic", Template: mustParse(t)}); err == nil || !strings.Contains(err.Error(), "was not made by a template") {
		t.Errorf("a stack that was put there is updated: %v", err)
	}
}

func mustParse(t *testing.T) *template.Template {
	t.Helper()
	parsed, err := template.Parse([]byte(templateText))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
