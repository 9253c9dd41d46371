package localaws_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/cloudformation"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/tagging"
)

// find lists the names of the resources that match, over all pages, each with its tags.
func (f *fixture) find(in resourcegroupstaggingapi.GetResourcesInput) string {
	f.T.Helper()
	client := resourcegroupstaggingapi.NewFromConfig(localtest.ClientConfig(f.Server))
	pages := resourcegroupstaggingapi.NewGetResourcesPaginator(client, &in)
	var found []string
	for pages.HasMorePages() {
		out, err := pages.NextPage(f.Ctx)
		if err != nil {
			f.T.Fatal(err)
		}
		for _, r := range out.ResourceTagMappingList {
			text := strings.Split(*r.ResourceARN, ":")[2]
			for _, tag := range r.Tags {
				text += " " + *tag.Key + "=" + *tag.Value
			}
			found = append(found, text)
		}
	}
	return strings.Join(found, "; ")
}

const stackTag = "aws:cloudformation:stack-name"

func TestFunctionsSecretsAndStacksAreFoundByTheirTags(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Handler(locallambda.Function{
		Name: "rotate", Tags: map[string]string{stackTag: "mautic", "team": "crm"},
		Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil },
	})
	f.Handler(locallambda.Function{Name: "untagged", Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil }})
	if _, err := f.CloudFormation.Put(cloudformation.Stack{Name: "mautic", Tags: map[string]string{"team": "crm"}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s", "gone"} {
		f.CreateSecret(name, "{}")
		_, err := f.Secrets.TagResource(f.Ctx, &secretsmanager.TagResourceInput{
			SecretId: &name, Tags: []secretstypes.Tag{{Key: aws.String("team"), Value: aws.String("sales")}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Secrets.DeleteSecret(f.Ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	const (
		stack, function, secret = "cloudformation team=crm", "lambda " + stackTag + "=mautic team=crm", "secretsmanager team=sales"
	)
	filter := func(key string, values ...string) types.TagFilter { return types.TagFilter{Key: &key, Values: values} }
	for name, c := range map[string]struct {
		in   resourcegroupstaggingapi.GetResourcesInput
		want string
	}{
		"all":      {resourcegroupstaggingapi.GetResourcesInput{}, stack + "; " + function + "; " + secret},
		"pages":    {resourcegroupstaggingapi.GetResourcesInput{ResourcesPerPage: aws.Int32(1)}, stack + "; " + function + "; " + secret},
		"a key":    {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter(stackTag)}}, function},
		"a value":  {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("team", "crm", "none")}}, stack + "; " + function},
		"two keys": {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("team", "crm"), filter(stackTag, "mautic")}}, function},
		"no match": {resourcegroupstaggingapi.GetResourcesInput{TagFilters: []types.TagFilter{filter("team", "crm"), filter("none")}}, ""},
		"a type": {resourcegroupstaggingapi.GetResourcesInput{
			ResourceTypeFilters: []string{"lambda:function", "secretsmanager"}, TagFilters: []types.TagFilter{filter("team")},
		}, function + "; " + secret},
		"another type": {resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"lambda:layer"}}, ""},
		"an ARN": {resourcegroupstaggingapi.GetResourcesInput{
			ResourceARNList: []string{"arn:aws:lambda:us-east-1:123456789012:function:rotate"},
		}, function},
	} {
		if got := f.find(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAWrongRequestForResourcesIsRefused(t *testing.T) {
	t.Parallel()
	client := resourcegroupstaggingapi.NewFromConfig(localtest.ClientConfig(start(t, localaws.Options{}).Server))
	_, err := client.GetResources(t.Context(), &resourcegroupstaggingapi.GetResourcesInput{ResourcesPerPage: aws.Int32(101)})
	localtest.WantError(t, err, "InvalidParameterException", "between 1 and 100")
	_, err = client.GetTagKeys(t.Context(), &resourcegroupstaggingapi.GetTagKeysInput{})
	localtest.WantError(t, err, "UnknownOperationException", "")
	s := tagging.New(func() map[string]map[string]string {
		return map[string]map[string]string{"arn:aws:a:b:c:d/e": {"k": "v"}}
	})
	many := 101
	for i, in := range []tagging.GetResourcesInput{
		{ResourcesPerPage: &many}, {TagFilters: []tagging.TagFilter{{}}}, {ResourceARNList: []string{"a"}, ResourceTypeFilters: []string{"b"}},
	} {
		_, err := s.GetResources(t.Context(), in)
		if err == nil || !strings.HasPrefix(err.Error(), "InvalidParameterException") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := s.GetResources(t.Context(), tagging.GetResourcesInput{PaginationToken: "!"}); fmt.Sprint(err) != "PaginationTokenExpiredException: The specified PaginationToken has expired." {
		t.Error(err)
	}
}
