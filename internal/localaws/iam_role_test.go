package localaws_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
)

func TestARoleIsMadeTaggedFoundByItsPathAndDeletedAfterItsPolicies(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{IAMPageSize: 1})
	api := iam.NewFromConfig(localtest.ClientConfig(f.Server))
	make := func(name, path string) {
		t.Helper()
		out, err := api.CreateRole(f.Ctx, &iam.CreateRoleInput{
			RoleName: &name, Path: &path, AssumeRolePolicyDocument: aws.String("{}"),
			Tags: []types.Tag{{Key: aws.String("run"), Value: aws.String("1;2")}},
		})
		if err != nil || *out.Role.Arn != "arn:aws:iam::123456789012:role"+path+name {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	make("first", "/mine/")
	make("second", "/mine/")
	make("bystander", "/")
	_, err := api.CreateRole(f.Ctx, &iam.CreateRoleInput{RoleName: aws.String("FIRST"), AssumeRolePolicyDocument: aws.String("{}")})
	localtest.WantError(t, err, "EntityAlreadyExists", "FIRST")

	var found []string
	for pages := iam.NewListRolesPaginator(api, &iam.ListRolesInput{PathPrefix: aws.String("/mine/")}); pages.HasMorePages(); {
		page, err := pages.NextPage(f.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Roles {
			found = append(found, *r.RoleName)
		}
	}
	if len(found) != 2 || found[0] != "first" || found[1] != "second" {
		t.Errorf("found %q", found)
	}
	first := aws.String("first")
	tags, err := api.ListRoleTags(f.Ctx, &iam.ListRoleTagsInput{RoleName: first})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "run" || *tags.Tags[0].Value != "1;2" {
		t.Errorf("%+v, %v", tags, err)
	}

	policy := aws.String("contract")
	if _, err := api.PutRolePolicy(f.Ctx, &iam.PutRolePolicyInput{RoleName: first, PolicyName: policy, PolicyDocument: aws.String("{}")}); err != nil {
		t.Fatal(err)
	}
	_, err = api.DeleteRole(f.Ctx, &iam.DeleteRoleInput{RoleName: first})
	localtest.WantError(t, err, "DeleteConflict", "policies")
	list, err := api.ListRolePolicies(f.Ctx, &iam.ListRolePoliciesInput{RoleName: first})
	if err != nil || len(list.PolicyNames) != 1 || list.PolicyNames[0] != "contract" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := api.DeleteRolePolicy(f.Ctx, &iam.DeleteRolePolicyInput{RoleName: first, PolicyName: policy}); err != nil {
		t.Fatal(err)
	}
	_, err = api.DeleteRolePolicy(f.Ctx, &iam.DeleteRolePolicyInput{RoleName: first, PolicyName: policy})
	localtest.WantError(t, err, "NoSuchEntity", "contract")
	if _, err := api.DeleteRole(f.Ctx, &iam.DeleteRoleInput{RoleName: first}); err != nil {
		t.Fatal(err)
	}
	_, err = api.ListRoleTags(f.Ctx, &iam.ListRoleTagsInput{RoleName: first})
	localtest.WantError(t, err, "NoSuchEntity", "first")
	if roles := f.IAM.Roles(); len(roles) != 2 || roles["second"].Tags["run"] != "1;2" {
		t.Errorf("%+v", roles)
	}
}
