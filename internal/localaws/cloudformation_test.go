package localaws_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"mautic-rotation/internal/localaws"
	localcloudformation "mautic-rotation/internal/localaws/cloudformation"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/localtest"
)

func (f *fixture) formations() *cloudformation.Client {
	return cloudformation.NewFromConfig(localtest.ClientConfig(f.Server))
}

func (f *fixture) put(s localcloudformation.Stack) localcloudformation.Stack {
	f.T.Helper()
	stack, err := f.CloudFormation.Put(s)
	if err != nil {
		f.T.Fatal(err)
	}
	return stack
}

var mautic = localcloudformation.Stack{
	Name: "mautic", Description: "Rotates", NoEcho: []string{"Password"},
	Parameters: map[string]string{"FunctionName": "rotate", "Password": "hidden"},
	Outputs:    map[string]string{"FunctionArn": "arn:f", "LogGroupName": "/mautic-rotation/mautic"},
	Tags:       map[string]string{"team": "crm"},
	Resources: []localcloudformation.Resource{
		{LogicalID: "RotationFunction", PhysicalID: "rotate", Type: "AWS::Lambda::Function"},
		{LogicalID: "Topic", PhysicalID: "arn:topic", Type: "AWS::SNS::Topic", Status: "UPDATE_COMPLETE"},
	},
}

func TestAStackIsDescribedByNameAndByID(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Clock: host.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	f.put(localcloudformation.Stack{Name: "another", Status: "ROLLBACK_COMPLETE"})
	put := f.put(mautic)
	for _, id := range []string{"mautic", put.ID} {
		out, err := f.formations().DescribeStacks(f.Ctx, &cloudformation.DescribeStacksInput{StackName: &id})
		if err != nil || len(out.Stacks) != 1 {
			t.Fatal(out, err)
		}
		s := out.Stacks[0]
		got := fmt.Sprintln(*s.StackName, *s.StackId == put.ID, *s.Description, s.StackStatus, s.CreationTime.Format(time.DateOnly),
			s.LastUpdatedTime == nil, *s.Tags[0].Key, *s.Tags[0].Value)
		for _, p := range s.Parameters {
			got += " " + *p.ParameterKey + "=" + *p.ParameterValue
		}
		for _, o := range s.Outputs {
			got += " " + *o.OutputKey + "=" + *o.OutputValue
		}
		want := "mautic true Rotates CREATE_COMPLETE 2031-01-02 true team crm\n" +
			" FunctionName=rotate Password=**** FunctionArn=arn:f LogGroupName=/mautic-rotation/mautic"
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAllStacksAreDescribedPageByPage(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	for i := range 205 {
		f.put(localcloudformation.Stack{Name: fmt.Sprintf("s%03d", i)})
	}
	gone := f.put(localcloudformation.Stack{Name: "s007", Status: "DELETE_COMPLETE"})
	pages := cloudformation.NewDescribeStacksPaginator(f.formations(), &cloudformation.DescribeStacksInput{})
	n := 0
	for pages.HasMorePages() {
		out, err := pages.NextPage(f.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(out.Stacks)
	}
	if n != 204 {
		t.Errorf("%d stacks", n)
	}
	_, err := f.formations().DescribeStacks(f.Ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("s007")})
	localtest.WantError(t, err, "ValidationError", "Stack with id s007 does not exist")
	out, err := f.formations().DescribeStacks(f.Ctx, &cloudformation.DescribeStacksInput{StackName: &gone.ID})
	if err != nil || out.Stacks[0].StackStatus != "DELETE_COMPLETE" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestTheResourcesOfAStackAreDescribedAndListed(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.put(mautic)
	described, err := f.formations().DescribeStackResources(f.Ctx, &cloudformation.DescribeStackResourcesInput{StackName: aws.String("mautic")})
	if err != nil || len(described.StackResources) != 2 || *described.StackResources[0].PhysicalResourceId != "rotate" ||
		*described.StackResources[0].ResourceType != "AWS::Lambda::Function" || described.StackResources[1].ResourceStatus != "UPDATE_COMPLETE" {
		t.Errorf("%+v, %v", described, err)
	}
	described, err = f.formations().DescribeStackResources(f.Ctx, &cloudformation.DescribeStackResourcesInput{
		PhysicalResourceId: aws.String("rotate"), LogicalResourceId: aws.String("Topic"),
	})
	if err != nil || len(described.StackResources) != 1 || *described.StackResources[0].StackName != "mautic" {
		t.Errorf("%+v, %v", described, err)
	}
	listed, err := f.formations().ListStackResources(f.Ctx, &cloudformation.ListStackResourcesInput{StackName: aws.String("mautic")})
	if err != nil || len(listed.StackResourceSummaries) != 2 || *listed.StackResourceSummaries[1].LogicalResourceId != "Topic" {
		t.Errorf("%+v, %v", listed, err)
	}
}

func TestWhatNoStackHasIsAValidationError(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.put(mautic)
	none := aws.String("none")
	_, err := f.formations().DescribeStacks(f.Ctx, &cloudformation.DescribeStacksInput{StackName: none})
	localtest.WantError(t, err, "ValidationError", "Stack with id none does not exist")
	_, err = f.formations().ListStackResources(f.Ctx, &cloudformation.ListStackResourcesInput{StackName: none})
	localtest.WantError(t, err, "ValidationError", "Stack with id none does not exist")
	_, err = f.formations().DescribeStackResources(f.Ctx, &cloudformation.DescribeStackResourcesInput{PhysicalResourceId: none})
	localtest.WantError(t, err, "ValidationError", "Stack for none does not exist")
	_, err = f.formations().DescribeStackResources(f.Ctx, &cloudformation.DescribeStackResourcesInput{StackName: aws.String("mautic"), LogicalResourceId: none})
	localtest.WantError(t, err, "ValidationError", "Resource none does not exist for stack mautic")
	_, err = f.formations().DescribeStackResources(f.Ctx, &cloudformation.DescribeStackResourcesInput{})
	localtest.WantError(t, err, "ValidationError", "")
	_, err = f.formations().DeleteStack(f.Ctx, &cloudformation.DeleteStackInput{StackName: aws.String("mautic")})
	localtest.WantError(t, err, "InvalidAction", "")
}

func TestAStackThatIsPutAgainIsTheSame(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	first := f.put(mautic)
	f.Clock().Advance(time.Hour)
	again := mautic
	again.Status, again.Outputs = "UPDATE_COMPLETE", nil
	second := f.put(again)
	if second.ID != first.ID || !second.Created.Equal(first.Created) || second.Updated.Sub(first.Created) < time.Hour || len(f.CloudFormation.Stacks()) != 1 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if _, err := f.CloudFormation.Put(localcloudformation.Stack{}); err == nil {
		t.Error("a stack without a name")
	}
}
