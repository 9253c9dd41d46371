package contract

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/contract/function"
)

// What a run makes is told from all else by a name that begins with Prefix, and a tag TagKey whose value is the run's id.
const (
	Prefix = "mautic-contract-"
	TagKey = "mautic-rotation-contract"

	rolePath   = "/mautic-rotation-contract/"
	policyName = "contract"
	readAlias  = "read"
)

// timeLayout begins the id of a run, which so tells its age.
const timeLayout = "20060102t150405z"

// An Account is where one run asks, and what it has made there. Its methods may be called concurrently, once Deploy has
// returned.
type Account struct {
	place Place
	run   string // id

	secrets *secretsmanager.Client
	lambda  *lambda.Client
	iam     *iam.Client
	logs    *cloudwatchlogs.Client
	tagging *resourcegroupstaggingapi.Client

	id, partition, region string

	functionARN string

	mu      sync.Mutex
	made    []thing // or tried to
	words   map[string]int
	granted sync.Mutex // a function's policy is changed by one caller at a time

	reading sync.Mutex
	noted   []function.Note
	read    time.Time // when noted was

	observations
}

// thing is something in the account, and how it is removed.
type thing struct {
	kind, name string
}

// Kinds of things, in the order in which they are removed: the role goes last, so that the function cannot do without it.
const (
	kindSecret   = "secret"
	kindFunction = "function"
	kindLogGroup = "log group"
	kindRole     = "role"
)

var kinds = []string{kindSecret, kindFunction, kindLogGroup, kindRole}

// Open makes an account for a new run. It makes nothing in AWS.
func Open(ctx context.Context, p Place) (*Account, error) {
	who, err := sts.NewFromConfig(p.Config).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("ask whose credentials these are: %w", err)
	}
	random := make([]byte, 3)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	return &Account{
		place: p, run: p.Now().UTC().Format(timeLayout) + "-" + hex.EncodeToString(random),
		secrets: secretsmanager.NewFromConfig(p.Config), lambda: lambda.NewFromConfig(p.Config), iam: iam.NewFromConfig(p.Config),
		logs: cloudwatchlogs.NewFromConfig(p.Config), tagging: resourcegroupstaggingapi.NewFromConfig(p.Config),
		id: *who.Account, partition: strings.Split(*who.Arn, ":")[1], region: p.Config.Region, words: map[string]int{},
	}, nil
}

// Place is the place's name.
func (a *Account) Place() string { return a.place.Name }

// Run is the run's id.
func (a *Account) Run() string { return a.run }

func (a *Account) name() string     { return Prefix + a.run }
func (a *Account) logGroup() string { return "/aws/lambda/" + a.name() }

func (a *Account) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", a.partition, service, a.region, a.id, resource)
}

// making notes that a thing is about to be made, and returns the context to make it with: one that does not end, for a call
// that is cut off may have been applied.
func (a *Account) making(ctx context.Context, kind, name string) (context.Context, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return ctx, context.Cause(ctx)
	}
	a.made = append(a.made, thing{kind, name})
	return context.WithoutCancel(ctx), nil
}

// Deploy makes the function, with a role and a log group of its own. What it has made when it fails, Clean removes.
func (a *Account) Deploy(ctx context.Context, archive Archive) error {
	role, err := a.createRole(ctx)
	if err != nil {
		return fmt.Errorf("make the role: %w", err)
	}
	if err := a.createLogGroup(ctx); err != nil {
		return fmt.Errorf("make the log group: %w", err)
	}
	if err := a.createFunction(ctx, archive, role); err != nil {
		return fmt.Errorf("make the function: %w", err)
	}
	return nil
}

func (a *Account) createRole(ctx context.Context) (arn string, err error) {
	trust := statement{Effect: "Allow", Action: "sts:AssumeRole", Principal: map[string]string{"Service": "lambda.amazonaws.com"}}
	making, err := a.making(ctx, kindRole, a.name())
	if err != nil {
		return "", err
	}
	out, err := a.iam.CreateRole(making, &iam.CreateRoleInput{
		RoleName: aws.String(a.name()), Path: aws.String(rolePath), AssumeRolePolicyDocument: document(trust),
		Tags: []iamtypes.Tag{{Key: aws.String(TagKey), Value: &a.run}},
	})
	if err != nil {
		return "", err
	}
	_, err = a.iam.PutRolePolicy(making, &iam.PutRolePolicyInput{
		RoleName: aws.String(a.name()), PolicyName: aws.String(policyName), PolicyDocument: document(a.permissions()...),
	})
	return *out.Role.Arn, err
}

// statement is one of a policy's.
type statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Action    any
	Resource  any                          `json:",omitempty"`
	Principal map[string]string            `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

func document(statements ...statement) *string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err) // texts
	}
	return aws.String(string(text))
}

// Words of the secrets for which the function may call RotateSecret, under a condition each.
const (
	rulesFalseWord  = "rules-false"
	rulesAbsentWord = "rules-absent"
	rulesAnyWord    = "rules-any" // without a condition
)

// Words of the secrets whose versions the function may list: if they name it as their function, and in any case.
const (
	namedWord   = "named"
	unnamedWord = "unnamed"
)

// permissions are the function's: what a rotation takes, on the run's own secrets, and its own log. It cannot make a log
// group, or one might come back that has been deleted.
func (a *Account) permissions() []statement {
	secrets := func(word string) string { return a.arn("secretsmanager", "secret:"+a.name()+"-"+word) }
	return []statement{
		{Sid: "Rotate", Effect: "Allow", Resource: secrets("*"), Action: []string{
			"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
		}},
		{Sid: "Log", Effect: "Allow", Resource: a.arn("logs", "log-group:"+a.logGroup()+":*"), Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"}},
		{Sid: "Invoke", Effect: "Allow", Resource: a.arn("lambda", "function:"+a.name()), Action: "lambda:InvokeFunction"},
		{
			Sid: "RulesFalse", Effect: "Allow", Resource: secrets(rulesFalseWord + "-*"), Action: "secretsmanager:RotateSecret",
			Condition: map[string]map[string]string{"Bool": {"secretsmanager:ModifyRotationRules": "false"}},
		},
		{
			Sid: "RulesAbsent", Effect: "Allow", Resource: secrets(rulesAbsentWord + "-*"), Action: "secretsmanager:RotateSecret",
			Condition: map[string]map[string]string{"Null": {"secretsmanager:ModifyRotationRules": "true"}},
		},
		{
			Sid: "Named", Effect: "Allow", Resource: secrets(namedWord + "-*"), Action: "secretsmanager:ListSecretVersionIds",
			Condition: map[string]map[string]string{"StringEquals": {
				"secretsmanager:resource/AllowRotationLambdaArn": a.arn("lambda", "function:"+a.name()),
			}},
		},
		{Sid: "Unnamed", Effect: "Allow", Resource: secrets(unnamedWord + "-*"), Action: "secretsmanager:ListSecretVersionIds"},
		{Sid: "RulesAny", Effect: "Allow", Resource: secrets(rulesAnyWord + "-*"), Action: "secretsmanager:RotateSecret"},
	}
}

func (a *Account) createLogGroup(ctx context.Context) error {
	making, err := a.making(ctx, kindLogGroup, a.logGroup())
	if err != nil {
		return err
	}
	_, err = a.logs.CreateLogGroup(making, &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: aws.String(a.logGroup()), Tags: map[string]string{TagKey: a.run},
	})
	return err
}

func (a *Account) createFunction(ctx context.Context, archive Archive, role string) error {
	in := &lambda.CreateFunctionInput{
		FunctionName: aws.String(a.name()), Role: &role, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Architectures: []lambdatypes.Architecture{lambdatypes.Architecture(archive.Architecture)},
		Code:          &lambdatypes.FunctionCode{ZipFile: archive.Zip}, Timeout: aws.Int32(60), MemorySize: aws.Int32(128),
		Tags: map[string]string{TagKey: a.run},
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		making, err := a.making(ctx, kindFunction, a.name())
		if err != nil {
			return err
		}
		out, err := a.lambda.CreateFunction(making, in)
		if err == nil {
			a.functionARN = *out.FunctionArn
			break
		}
		// Lambda may not know the role yet.
		var invalid *lambdatypes.InvalidParameterValueException
		if !errors.As(err, &invalid) || !strings.Contains(invalid.ErrorMessage(), "cannot be assumed") || time.Now().After(deadline) {
			return err
		}
		if err := a.wait(ctx, a.place.Poll); err != nil {
			return err
		}
	}
	name := aws.String(a.name())
	active := lambda.NewFunctionActiveWaiter(a.lambda)
	if err := active.Wait(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name}, 2*time.Minute); err != nil {
		return err
	}
	_, err := a.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String(readAlias), FunctionVersion: aws.String("$LATEST")})
	if err != nil {
		return err
	}
	_, err = a.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: name, MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(300),
	})
	return err
}

// wait waits in real time.
func (a *Account) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// notes are what the function has noted so far. AWS tells them some seconds late.
func (a *Account) notes(ctx context.Context) ([]function.Note, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	if time.Since(a.read) < a.place.Poll {
		return a.noted, nil
	}
	var noted []function.Note
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(a.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(a.logGroup())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the function's log: %w", err)
		}
		for _, e := range page.Events {
			var line function.Line
			if json.Unmarshal([]byte(*e.Message), &line) == nil && line.Contract != nil {
				noted = append(noted, *line.Contract)
			}
		}
	}
	a.noted, a.read = noted, time.Now()
	return noted, nil
}

// Clean removes all that the run has made, and tells what it could not remove. Calling it again does the rest.
func (a *Account) Clean(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, kind := range kinds {
		var left []thing
		for _, t := range a.made {
			if t.kind == kind {
				if err := a.remove(ctx, t); err != nil {
					errs = append(errs, err)
					left = append(left, t)
				}
			} else {
				left = append(left, t)
			}
		}
		a.made = left
	}
	return errors.Join(errs...)
}

// remove removes a thing. One that is not there counts as removed.
func (a *Account) remove(ctx context.Context, t thing) (err error) {
	switch t.kind {
	case kindSecret:
		_, err = a.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &t.name, ForceDeleteWithoutRecovery: aws.Bool(true)})
	case kindFunction:
		_, err = a.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &t.name})
	case kindLogGroup:
		_, err = a.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &t.name})
	case kindRole:
		_, err = a.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &t.name, PolicyName: aws.String(policyName)})
		if err == nil || isMissing(err) {
			_, err = a.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &t.name})
		}
	}
	if err == nil || isMissing(err) {
		return nil
	}
	return fmt.Errorf("remove the %s %s: %w", t.kind, t.name, err)
}

func isMissing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "ResourceNotFoundException" || api.ErrorCode() == "NoSuchEntity")
}
