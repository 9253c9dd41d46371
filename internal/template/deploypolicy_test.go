package template_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/policy"
)

// A need is an action that a deployment takes on a resource.
type need struct {
	action, resource string
	context          map[string][]string
}

const (
	deployedIn  = "eu-west-1"
	deployedBy  = "123456789012"
	stackName   = "mautic-secret-rotation-prod"
	samBucket   = "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b3c4d5e6f"
	bucketStack = "arn:aws:cloudformation:eu-west-1:123456789012:stack/aws-sam-cli-managed-default/0f6b3c62"
	anyStack    = "arn:aws:cloudformation:eu-west-1:123456789012:stack/" + stackName + "/0f6b3c62"
)

// bySAM is what the SAM CLI does itself, by its sources: samcli/lib/deploy and
// samcli/lib/bootstrap. The bucket's stack has a bucket with versions and tags, and a
// policy for it.
var bySAM = []need{
	{"cloudformation:DescribeStacks", anyStack, nil}, {"cloudformation:CreateChangeSet", anyStack, nil},
	{"cloudformation:DescribeChangeSet", anyStack, nil}, {"cloudformation:ExecuteChangeSet", anyStack, nil},
	{"cloudformation:DescribeStackEvents", anyStack, nil},
	{"cloudformation:CreateChangeSet", "arn:aws:cloudformation:eu-west-1:aws:transform/Serverless-2016-10-31", nil},
	{"cloudformation:DescribeStacks", bucketStack, nil}, {"cloudformation:CreateChangeSet", bucketStack, nil},
	{"cloudformation:DescribeChangeSet", bucketStack, nil}, {"cloudformation:ExecuteChangeSet", bucketStack, nil},
	{"s3:CreateBucket", samBucket, nil}, {"s3:PutBucketTagging", samBucket, nil}, {"s3:PutBucketVersioning", samBucket, nil},
	{"s3:PutBucketPolicy", samBucket, nil}, {"s3:GetBucketPolicy", samBucket, nil}, {"s3:ListBucket", samBucket, nil},
	{"s3:GetObject", samBucket + "/0123456789abcdef", nil}, {"s3:PutObject", samBucket + "/0123456789abcdef", nil},
}

const (
	prodFunction = "arn:aws:lambda:eu-west-1:123456789012:function:mautic-rotation-prod"
	prodSecret   = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"
	prodLog      = "arn:aws:logs:eu-west-1:123456789012:log-group:/mautic-rotation/" + stackName
)

// byHand is what the pages have whoever deploys do beside it: look up the secret, delete
// the stack. Lambda asks for the security groups in the name of who attaches a function
// to a network, which CloudFormation does not publish: Lambda's developer guide, "Giving
// Lambda functions access to resources in an Amazon VPC".
var byHand = []need{
	{"secretsmanager:DescribeSecret", prodSecret, nil},
	{"cloudformation:DeleteStack", anyStack, nil}, {"cloudformation:DescribeStacks", anyStack, nil},
	{"ec2:GetSecurityGroupsForVpc", "*", nil},
}

// byTheProgram is what make preflight, rotate, status and logs call, by the method of the
// SDK's client that the program has. Other commands take the policies for people.
var byTheProgram = map[string][]need{
	"GetResources":    {{"tag:GetResources", "*", nil}},
	"Invoke":          {{"lambda:InvokeFunction", prodFunction, nil}, {"lambda:InvokeFunction", prodFunction + ":read", nil}},
	"RotateSecret":    {{"secretsmanager:RotateSecret", prodSecret, nil}},
	"FilterLogEvents": {{"logs:FilterLogEvents", prodLog, nil}},
}

// forOthers are the calls of other commands (pause, resume, history, logs that search),
// and SES's statistics, which the preflight leaves out where it may not see them.
var forOthers = []string{"TagResource", "UntagResource", "LookupEvents", "StartQuery", "GetQueryResults", "GetSendQuota", "GetSendStatistics"}

var clientCall = regexp.MustCompile(`(?:\bclient|NewFromConfig\(\w+\))\.([A-Z]\w+)[,}]`)

// programCalls are the calls that the program's sources name, each of which is known.
func programCalls(t *testing.T) (all []need) {
	t.Helper()
	files, err := filepath.Glob("../operator/cloud/*.go")
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range clientCall.FindAllStringSubmatch(string(text), -1) {
			called[m[1]] = true
		}
	}
	for method := range called {
		its, known := byTheProgram[method]
		if !known && !slices.Contains(forOthers, method) {
			t.Errorf("the program calls %s, and whether the policy to deploy needs it is not known", method)
		}
		all = append(all, its...)
	}
	for method := range byTheProgram {
		if !called[method] {
			t.Errorf("the program does not call %s any more", method)
		}
	}
	return all
}

// spared are actions of a type that CloudFormation takes for a property alone, which
// the template does not have: an action of handlers.json is needed unless it is here.
var spared = map[string]map[string]string{ // property, by action, by type
	"AWS::IAM::ManagedPolicy": {
		"iam:AttachGroupPolicy": "Groups", "iam:DetachGroupPolicy": "Groups", "iam:AttachUserPolicy": "Users", "iam:DetachUserPolicy": "Users",
		"iam:AttachRolePolicy": "Roles", "iam:DetachRolePolicy": "Roles",
	},
	"AWS::IAM::Role": {"iam:DeleteRolePermissionsBoundary": "PermissionsBoundary", "iam:PutRolePermissionsBoundary": "PermissionsBoundary"},
	"AWS::Lambda::Alias": {
		"lambda:PutProvisionedConcurrencyConfig": "ProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig": "ProvisionedConcurrencyConfig",
		"codedeploy:CreateDeployment": "RoutingConfig", "codedeploy:GetDeployment": "RoutingConfig", "codedeploy:GetDeploymentGroup": "RoutingConfig",
		"codedeploy:GetDeploymentConfig": "RoutingConfig", "codedeploy:StopDeployment": "RoutingConfig",
	},
	"AWS::Lambda::Function": {
		"lambda:PutFunctionConcurrency": "ReservedConcurrentExecutions", "lambda:DeleteFunctionConcurrency": "ReservedConcurrentExecutions",
		"s3:GetObjectVersion": "S3ObjectVersion", "elasticfilesystem:DescribeMountTargets": "FileSystemConfigs",
		"kms:CreateGrant": "KmsKeyArn", "kms:Decrypt": "KmsKeyArn", "kms:Encrypt": "KmsKeyArn", "kms:GenerateDataKey": "KmsKeyArn",
		"lambda:GetCodeSigningConfig": "CodeSigningConfigArn", "lambda:PutFunctionCodeSigningConfig": "CodeSigningConfigArn",
		"lambda:DeleteFunctionCodeSigningConfig": "CodeSigningConfigArn", "lambda:GetLayerVersion": "Layers",
		"lambda:PutRuntimeManagementConfig": "RuntimeManagementConfig", "lambda:PutFunctionRecursionConfig": "RecursiveLoop",
		"lambda:PutFunctionScalingConfig": "FunctionScalingConfig", "lambda:PassCapacityProvider": "CapacityProviderConfig",
		"lambda:PublishVersion": "AutoPublishAlias",
	},
	"AWS::Logs::LogGroup": {
		"logs:GetDataProtectionPolicy": "DataProtectionPolicy", "logs:PutDataProtectionPolicy": "DataProtectionPolicy",
		"logs:DeleteDataProtectionPolicy": "DataProtectionPolicy", "logs:CreateLogDelivery": "DataProtectionPolicy",
		"s3:REST.PUT.OBJECT": "DataProtectionPolicy", "firehose:TagDeliveryStream": "DataProtectionPolicy",
		"logs:PutResourcePolicy": "ResourcePolicyDocument", "logs:DescribeResourcePolicies": "ResourcePolicyDocument",
	},
	"AWS::SNS::Subscription":                {"iam:PassRole": "SubscriptionRoleArn", "sns:SetSubscriptionAttributes": "FilterPolicy"},
	"AWS::SNS::Topic":                       {"sns:GetDataProtectionPolicy": "DataProtectionPolicy", "sns:PutDataProtectionPolicy": "DataProtectionPolicy"},
	"AWS::SecretsManager::RotationSchedule": {"iam:PassRole": "HostedRotationLambda"},
	"AWS::SecretsManager::Secret":           {"secretsmanager:ReplicateSecretToRegions": "ReplicaRegions", "secretsmanager:RemoveRegionsFromReplication": "ReplicaRegions"},
}

// unbound are the actions that are for no resource, by AWS's service authorization
// reference. DescribeAlarms has one, and is asked of all where an alarm is looked for;
// GetSecurityGroupsForVpc has the network, whose id the policy does not know.
var unbound = []string{
	"cloudwatch:DescribeAlarms", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
	"ec2:GetSecurityGroupsForVpc", "kms:CreateKey", "logs:DescribeLogGroups", "secretsmanager:GetRandomPassword", "tag:GetResources",
}

// of is the ARN of a stack's resource.
func of(t *testing.T, id string, r cloudformation.Resource) string {
	t.Helper()
	text := func(name string) string { value, _ := r.Properties[name].(string); return value }
	in := func(service, rest string) string {
		return "arn:aws:" + service + ":" + deployedIn + ":" + deployedBy + ":" + rest
	}
	made := stackName + "-" + id + "-1A2B3C4D5E6F" // CloudFormation's own name
	switch r.Type {
	case "AWS::CloudWatch::Alarm":
		return in("cloudwatch", "alarm:"+text("AlarmName"))
	case "AWS::CloudWatch::Dashboard":
		return "arn:aws:cloudwatch::" + deployedBy + ":dashboard/" + text("DashboardName")
	case "AWS::Events::Rule":
		return in("events", "rule/"+text("Name"))
	case "AWS::IAM::ManagedPolicy":
		return "arn:aws:iam::" + deployedBy + ":policy/" + made
	case "AWS::IAM::Role":
		return "arn:aws:iam::" + deployedBy + ":role/" + made
	case "AWS::KMS::Key":
		return in("kms", "key/11111111-2222-4333-8444-555555555555")
	case "AWS::Lambda::Alias":
		return in("lambda", "function:"+text("FunctionName")+":"+text("Name"))
	case "AWS::Lambda::Permission", "AWS::Serverless::Function":
		return in("lambda", "function:"+text("FunctionName"))
	case "AWS::Logs::LogGroup":
		return in("logs", "log-group:"+text("LogGroupName"))
	case "AWS::SNS::Subscription":
		return text("TopicArn")
	case "AWS::SNS::Topic":
		return in("sns", text("TopicName"))
	case "AWS::SNS::TopicPolicy":
		topics, _ := r.Properties["Topics"].([]any)
		return topics[0].(string)
	case "AWS::SecretsManager::RotationSchedule":
		return text("SecretId")
	case "AWS::SecretsManager::Secret":
		return in("secretsmanager", "secret:"+text("Name")+"-AbCdEf")
	}
	t.Fatalf("the ARN of %s, a %s, is not known", id, r.Type)
	return ""
}

// publishedActions are the actions of each type, as CloudFormation's schemas have them.
func publishedActions(t *testing.T) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/handlers.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Types map[string]map[string][]string
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	return table.Types
}

// has tells whether a property of that name is anywhere in properties.
func has(properties any, name string) bool {
	switch p := properties.(type) {
	case map[string]any:
		for key, value := range p {
			if key == name || has(value, name) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(p, func(item any) bool { return has(item, name) })
	}
	return false
}

// needs are all that CloudFormation does to create, update and delete a stack. It may
// read a resource again after each.
func needs(t *testing.T, stack *cloudformation.Stack) (all []need) {
	t.Helper()
	actions := publishedActions(t)
	function := "" // what all stacks share has none
	if rotation, has := stack.Resources["RotationFunction"]; has {
		function = "arn:aws:lambda:" + deployedIn + ":" + deployedBy + ":function:" + rotation.Properties["FunctionName"].(string)
	}
	byCloudFormation := map[string][]string{"aws:CalledViaLast": {"cloudformation.amazonaws.com"}}
	for _, id := range slices.Sorted(maps.Keys(stack.Resources)) {
		r := stack.Resources[id]
		arn := of(t, id, r)
		types := []string{r.Type}
		if r.Type == "AWS::Serverless::Function" { // see internal/packaging for what becomes of it
			types = []string{"AWS::Lambda::Function", "AWS::Lambda::EventInvokeConfig"}
		}
		for _, kind := range types {
			if actions[kind] == nil {
				t.Errorf("handlers.json has no %s", kind)
			}
			for handler, its := range actions[kind] {
				for _, action := range its {
					if property, there := spared[kind][action]; there {
						if has(r.Properties, property) {
							t.Errorf("%s has %s, so %s is needed", id, property, action)
						}
						continue
					}
					n := need{action, arn, byCloudFormation}
					switch service, _, _ := strings.Cut(action, ":"); {
					case slices.Contains(unbound, action):
						n.resource = "*"
					case service == "s3":
						n.resource = samBucket + "/0123456789abcdef"
					case service == "lambda" && kind == "AWS::SecretsManager::RotationSchedule":
						n.resource = function
					}
					if action == "iam:PassRole" {
						passed := map[string]string{"AWS::Lambda::Function": "RotationRole lambda", "AWS::Events::Rule": "NoticeBusRole events"}[kind]
						role, to, _ := strings.Cut(passed, " ")
						n.resource, n.context = of(t, role, stack.Resources[role]), map[string][]string{"iam:PassedToService": {to + ".amazonaws.com"}}
					}
					if kind == "AWS::KMS::Key" {
						// CreateKey gives the tags, of which those are asked that an update changes.
						n.context = maps.Clone(byCloudFormation)
						tag := []string{tagsOf(r, "Tags")["mautic-rotation"]}
						if handler == "create" && (action == "kms:CreateKey" || action == "kms:TagResource") {
							n.context["aws:RequestTag/mautic-rotation"] = tag
						} else {
							n.context["aws:ResourceTag/mautic-rotation"] = tag
						}
					}
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// policyFiles are the policies that the documentation gives to people who deploy: one for
// the stacks, and one that names the secrets, of which there may be many.
var policyFiles = []string{"deploy-policy.json", "deploy-policy-secrets.json"}

// policyText is one of them.
func policyText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/examples/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// deployPolicy is what both allow.
func deployPolicy(t *testing.T) policy.Policy {
	t.Helper()
	var attached []map[string]any
	for _, file := range policyFiles {
		var document map[string]any
		if err := json.Unmarshal([]byte(policyText(t, file)), &document); err != nil {
			t.Fatal(err)
		}
		attached = append(attached, map[string]any{"PolicyDocument": document})
	}
	p, err := policy.FromManaged(attached...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A managed policy has 6,144 characters at most, not counting what is white.
func TestThePoliciesToDeployHaveRoomForTheLongestNames(t *testing.T) {
	t.Parallel()
	size := func(text string) int { return len(strings.Join(strings.Fields(text), "")) }
	const longestRegion, longestName = "ap-southeast-2", 512
	for _, file := range policyFiles {
		text := strings.ReplaceAll(policyText(t, file), deployedIn, longestRegion)
		secret := `"` + strings.ReplaceAll(prodSecret, deployedIn, longestRegion) + `"`
		if file == "deploy-policy-secrets.json" {
			if strings.Count(text, secret) != 1 {
				t.Fatalf("%s names no %s", file, secret)
			}
			long := strings.ReplaceAll(secret, "mautic-prod-secrets", strings.Repeat("s", longestName))
			text = strings.ReplaceAll(text, secret, strings.Join(slices.Repeat([]string{long}, 5), ","))
		} else if strings.Contains(text, "mautic-prod-secrets") {
			t.Errorf("%s names a secret, and has no room for five", file)
		}
		if size(text) > 6144 {
			t.Errorf("%s has %d characters", file, size(text))
		}
	}
}

// deployments are stacks that together have every resource of the template.
func deployments(t *testing.T) []*cloudformation.Stack {
	t.Helper()
	inRegion := func(parameters map[string]string) map[string]string {
		parameters = maps.Clone(parameters)
		for name, value := range parameters {
			parameters[name] = strings.ReplaceAll(value, ":us-east-1:", ":"+deployedIn+":")
		}
		return parameters
	}
	given := changedTo(full(), with("SecretArn", arnOf("mautic-prod-secrets"), "CreateSecret", "false", "FunctionName", "mautic-rotation-prod"))
	creating := changedTo(full(), with("FunctionName", "mautic-rotation-prod"))
	for _, name := range eachOf("SecretArn")[1:] { // one secret is enough, and the policy names it
		delete(given, name)
		delete(creating, name)
	}
	var stacks []*cloudformation.Stack
	for _, parameters := range []map[string]string{given, creating} {
		stacks = append(stacks, render(t, parse(t), cloudformation.Options{StackName: stackName, Region: deployedIn, Parameters: inRegion(parameters)}))
	}
	return stacks
}

// sharedStack is that of docs/many.md, by the name that the page gives it.
func sharedStack(t *testing.T) *cloudformation.Stack {
	t.Helper()
	named := regexp.MustCompile(`--stack-name (\S+) --template-file docs/examples/many/shared.yaml`).FindStringSubmatch(pages(t)["many.md"])
	if named == nil {
		t.Fatal("docs/many.md does not deploy docs/examples/many/shared.yaml")
	}
	text, err := os.ReadFile("../../docs/examples/many/shared.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := cloudformation.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return render(t, shared, cloudformation.Options{StackName: named[1], Region: deployedIn, Parameters: with("AlarmEmail", "ops@example.com")})
}

func TestThePolicyToDeployAllowsWhatADeploymentTakesAndNothingElse(t *testing.T) {
	t.Parallel()
	p := deployPolicy(t)
	var usage policy.Usage
	ask := usage.Enforce(p)
	all := slices.Concat(bySAM, byHand, programCalls(t))
	kinds := map[string]bool{}
	for _, stack := range append(deployments(t), sharedStack(t)) {
		all = append(all, needs(t, stack)...)
		for _, r := range stack.Resources {
			kinds[r.Type] = true
		}
	}
	for _, n := range all {
		_ = ask(policy.Request{Action: n.action, Resource: n.resource, Context: n.context}) // the audit tells of refusals
	}
	for _, id := range read(t).Resources.Keys() {
		if kind := read(t).Resources.At(id).Text("Type"); !kinds[kind] {
			t.Errorf("no %s was looked at", kind)
		}
	}
	for kind, actions := range spared {
		for action := range actions {
			its := publishedActions(t)[kind]
			if !slices.Contains(slices.Concat(slices.Collect(maps.Values(its))...), action) {
				t.Errorf("%s takes no %s that could be spared", kind, action)
			}
		}
	}
	named := "it is named after the stack"
	made := "CloudFormation makes the rest of the name"
	after := "its name begins with the function's"
	const in, account = deployedIn, deployedBy
	for _, fault := range policy.Audit(usage.Records(), policy.Expected{
		Wide: map[string]string{
			"Stack arn:aws:cloudformation:" + in + ":" + account + ":stack/mautic-secret-rotation-*/*":    "each environment's stack, and CloudFormation makes its id",
			"Stack arn:aws:cloudformation:" + in + ":" + account + ":stack/aws-sam-cli-managed-default/*": "CloudFormation makes its id",
			"Package arn:aws:s3:::aws-sam-cli-managed-default-*/*":                                        "SAM makes the names",
			"Bucket arn:aws:s3:::aws-sam-cli-managed-default-*":                                           made,
			"Alias arn:aws:lambda:" + in + ":" + account + ":function:mautic-rotation-*:read":             "each environment's function",
			"Look *": "these actions are for no resource, or for whichever there is",
			"Own arn:aws:lambda:" + in + ":" + account + ":function:mautic-rotation-*":                                           "each environment's function, and its alias",
			"Identities arn:aws:iam::" + account + ":role/mautic-secret-rotation-*":                                              made,
			"PassRoles arn:aws:iam::" + account + ":role/mautic-secret-rotation-*":                                               made,
			"Identities arn:aws:iam::" + account + ":policy/mautic-secret-rotation-*":                                            made,
			"Own arn:aws:events:" + in + ":" + account + ":rule/mautic-rotation-*":                                               after,
			"Own arn:aws:cloudwatch:" + in + ":" + account + ":alarm:mautic-rotation-*":                                          after,
			"Own arn:aws:cloudwatch::" + account + ":dashboard/mautic-secret-rotation-*":                                         named,
			"Own arn:aws:logs:" + in + ":" + account + ":log-group:/mautic-rotation/mautic-secret-rotation-*":                    named,
			"Own arn:aws:sns:" + in + ":" + account + ":mautic-secret-rotation-*":                                                named,
			"NewKey mautic-secret-rotation-*":                                                                                    named,
			"Key mautic-secret-rotation-*":                                                                                       named,
			"NewKey *":                                                                                                           "a key has no name before it is made; its tag bounds it",
			"Key arn:aws:kms:" + in + ":" + account + ":key/*":                                                                   "a key's id is made up; its tag bounds it",
			"CreatedSecret arn:aws:secretsmanager:" + in + ":" + account + ":secret:mautic-secret-rotation-*-credentials-??????": named,
		},
		Bounds: map[string][]string{
			"PassRoles": {"iam:PassedToService"},
			"NewKey":    {"aws:CalledViaLast", "aws:RequestTag/mautic-rotation"},
			"Key":       {"aws:CalledViaLast", "aws:ResourceTag/mautic-rotation"},
		},
	}) {
		t.Error(fault)
	}
}

func TestThePolicyToDeployIsOneThatAWSCanMatch(t *testing.T) {
	t.Parallel()
	reference, err := policy.AWSReference()
	if err != nil {
		t.Fatal(err)
	}
	p := deployPolicy(t)
	for _, s := range p.Statements {
		// The reference has stacks alone for CreateChangeSet. CloudFormation's user guide,
		// "Using AWS SAM", has the ARN of the macro.
		if s.Sid == "Macro" {
			continue
		}
		for _, fault := range reference.Faults(policy.Policy{Statements: []policy.Statement{s}}) {
			t.Error(fault)
		}
	}
	if len(p.Statements) < 10 {
		t.Errorf("%d statements", len(p.Statements))
	}
}

// foreign are resources that are no stack's of this template.
var foreign = []string{
	"arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/0f6b3c62", "arn:aws:cloudformation:eu-west-1:aws:transform/Include",
	"arn:aws:s3:::billing", "arn:aws:s3:::billing/invoice", "arn:aws:lambda:eu-west-1:123456789012:function:billing", "arn:aws:lambda:us-east-1:123456789012:function:mautic-rotation-prod",
	"arn:aws:iam::123456789012:role/Admin", "arn:aws:iam::123456789012:policy/Admin", "arn:aws:iam::aws:policy/AdministratorAccess",
	"arn:aws:events:eu-west-1:123456789012:rule/billing", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:billing", "arn:aws:cloudwatch::123456789012:dashboard/billing",
	"arn:aws:logs:eu-west-1:123456789012:log-group:/mautic-rotation/billing", "arn:aws:sns:eu-west-1:123456789012:billing",
	"arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-4333-8444-555555555555",
	"arn:aws:secretsmanager:eu-west-1:123456789012:secret:billing-AbCdEf", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-2-AbCdEf",
}

func TestThePolicyToDeployIsForNothingOutsideOfTheStack(t *testing.T) {
	t.Parallel()
	p := deployPolicy(t)
	refused := 0
	for _, s := range p.Statements {
		for _, action := range s.Actions {
			if slices.Contains(unbound, action) {
				continue
			}
			for _, resource := range foreign {
				for _, context := range []map[string][]string{
					nil,
					{"aws:CalledViaLast": {"cloudformation.amazonaws.com"}},
					{"aws:CalledViaLast": {"cloudformation.amazonaws.com"}, "aws:ResourceTag/mautic-rotation": {"billing"}},
					{"aws:ResourceTag/mautic-rotation": {stackName}}, // by hand, and not by CloudFormation
				} {
					if request := (policy.Request{Action: action, Resource: resource, Context: context}); p.Evaluate(request).Allowed() {
						t.Errorf("allowed: %s", request)
					}
					refused++
				}
			}
		}
	}
	if refused < 5000 {
		t.Errorf("only %d requests were tried", refused)
	}
	// What the stack may do, and who deploys it may not.
	role := "arn:aws:iam::123456789012:role/" + stackName + "-RotationRole-1A2B3C4D5E6F"
	rotated := "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"
	for _, n := range []need{
		{"secretsmanager:GetSecretValue", rotated, nil}, {"secretsmanager:PutSecretValue", rotated, nil}, {"secretsmanager:DeleteSecret", rotated, nil},
		{"secretsmanager:UpdateSecretVersionStage", rotated, nil}, {"iam:PassRole", role, map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}},
		{"sts:AssumeRole", role, nil}, {"kms:CreateKey", "*", nil}, {"sns:Unsubscribe", "arn:aws:sns:eu-west-1:123456789012:billing", nil}, {"kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-4333-8444-555555555555", nil},
	} {
		if request := (policy.Request{Action: n.action, Resource: n.resource, Context: n.context}); p.Evaluate(request).Allowed() {
			t.Errorf("allowed: %s", request)
		}
	}
}
