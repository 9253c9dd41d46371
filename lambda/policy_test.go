package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/policy"
	"mautic-rotation/internal/rig"
)

// templateFile is the template whose policies are tested, and by whose
// environment the function runs while they are.
const templateFile = "../template.yaml"

// Logical ids in the template.
const (
	roleID     = "RotationRole"
	functionID = "RotationFunction"
	secretID   = "CreatedSecret"
)

// Where the stand-in and the rig put things.
const (
	resourcePrefix = ":us-east-1:123456789012:"
	secretSuffix   = "AbCdEf"
	keyARN         = "arn:aws:kms" + resourcePrefix + "key/0f6b3c62-7d0e-4a5b-9b1c-2d3e4f5a6b7c"
	stackName      = "mautic-prod"
	instanceID     = "mautic-prod-database"
	managedSecret  = "rds!db-2f1d5b1e-8a90-4b7d-b6c3-d4e5f6a7b8c9" // the name that RDS gives to one of its own
	clusterID      = "mautic-prod-aurora"
)

func arnOfSecret(name string) string {
	return "arn:aws:secretsmanager" + resourcePrefix + "secret:" + name + "-" + secretSuffix
}

// expected is what no request shows, and what is wider than one resource.
var expected = policy.Expected{
	Unseen: []policy.Statement{
		{ // Lambda writes the log, by the function's role. The name of a stream is Lambda's.
			Sid: "Log", Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resources: []string{"arn:aws:logs" + resourcePrefix + "log-group:/mautic-rotation/" + stackName + ":log-stream:*"},
		},
		{ // Lambda writes the traces. These actions have no resource type.
			Sid: "Trace", Actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, Resources: []string{"*"},
		},
		{ // Lambda hands on what an asynchronous invocation has answered.
			Sid: "HandOnAnswers", Actions: []string{"events:PutEvents"}, Resources: []string{"arn:aws:events" + resourcePrefix + "event-bus/default"},
		},
		{ // And the function's own code is to have no use of that.
			Sid: "NoEventsByTheCode", Deny: true, Actions: []string{"events:PutEvents"}, Resources: []string{"*"},
			Conditions: []policy.Condition{
				{Operator: "ArnEquals", Key: "lambda:SourceFunctionArn", Values: []string{"arn:aws:lambda" + resourcePrefix + "function:" + rig.FunctionName}},
			},
		},
		// Secrets Manager asks KMS in the function's name.
		secretKeys(append(slices.Clone(severalSecrets), rig.AdminSecretName)),
		secretKeys(severalSecrets[:1]),
		secretKeys([]string{rig.SecretName, "mautic-prod-database"}),
		{ // Lambda makes the network interfaces, and asks for all resources.
			Sid: "AttachToNetwork", Actions: networkActions, Resources: []string{"*"},
		},
		{ // And the function's own code is to have no use of them.
			Sid: "NotByTheCode", Deny: true, Actions: networkActions, Resources: []string{"*"},
			Conditions: []policy.Condition{
				{Operator: "ArnEquals", Key: "lambda:SourceFunctionArn", Values: []string{"arn:aws:lambda" + resourcePrefix + "function:" + rig.FunctionName}},
			},
		},
	},
	Wide: map[string]string{
		"ListTasks *":               "its only resource type is a container instance, and it is asked for none; the cluster bounds it",
		"DescribeTaskDefinitions *": "it has no resource type and no condition key",
		"DescribeTasks arn:aws:ecs" + resourcePrefix + "task/" + rig.ClusterName + "/*": "ECS makes up the tasks' ids",
	},
	Bounds: map[string][]string{
		"RotateSecrets": {"secretsmanager:resource/AllowRotationLambdaArn"},
		"ListTasks":     {"ecs:cluster"},
		"DescribeTasks": {"ecs:cluster"},
	},
}

// severalSecrets are the names of as many secrets as the template takes.
var severalSecrets = []string{rig.SecretName, "mautic-prod-two", "mautic-prod-three", "mautic-prod-four", "mautic-prod-five"}

// secretKeys is what secrets of those names need of KMS.
func secretKeys(names []string) policy.Statement {
	var arns []string
	for _, name := range names {
		arns = append(arns, arnOfSecret(name))
	}
	return policy.Statement{
		Sid: "UseSecretKeys", Actions: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resources: []string{keyARN},
		Conditions: []policy.Condition{
			{Operator: "StringEquals", Key: "kms:EncryptionContext:SecretARN", Values: arns},
			{Operator: "StringEquals", Key: "kms:ViaService", Values: []string{"secretsmanager.us-east-1.amazonaws.com"}},
		},
	}
}

var networkActions = []string{
	"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
	"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}

// policyTest is the template, with what its policies were used for.
type policyTest struct {
	template *cloudformation.Template
	usage    policy.Usage

	mu    sync.Mutex
	taken map[cloudformation.Branch]bool
}

func readPolicies(t *testing.T) *policyTest {
	t.Helper()
	text, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	template, err := cloudformation.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &policyTest{template: template, taken: map[cloudformation.Branch]bool{}}
}

// render is the role's policy and the function's environment, with the
// function's name and its secret's ARN besides the parameters.
func (p *policyTest) render(t *testing.T, parameters map[string]string) (policy.Policy, map[string]string) {
	t.Helper()
	given := map[string]string{"FunctionName": rig.FunctionName, "SecretArn": arnOfSecret(rig.SecretName)}
	maps.Copy(given, parameters)
	stack, err := p.template.Render(cloudformation.Options{
		StackName: stackName, Parameters: given,
		Attribute: func(id, attribute string) (string, bool) { // the rig's secret is the stack's
			return arnOfSecret(rig.SecretName), id == secretID && attribute == "Ref"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	rolePolicy, err := policy.FromRole(stack.Resources[roleID].Properties)
	if err != nil {
		t.Fatal(err)
	}
	environment, err := stack.Environment(functionID)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.taken, stack.Taken)
	return rolePolicy, environment
}

// deploys makes a deployment the template's: the function has the rendered
// environment, and AWS holds it to the rendered policies.
func (p *policyTest) deploys(t *testing.T, parameters map[string]string) func(*rig.Options) {
	t.Helper()
	rolePolicy, environment := p.render(t, parameters)
	enforce := p.usage.Enforce(rolePolicy)
	return func(o *rig.Options) {
		o.Settings = environment
		o.AWS.SecretSuffix = secretSuffix
		o.AWS.Authorize = func(a wire.AccessRequest) error {
			return enforce(policy.Request{Action: a.Action, Resource: a.Resource, Context: a.Context})
		}
	}
}

// services are the parameters for the services that deployApplication starts.
var services = map[string]string{"EcsCluster": rig.ClusterName, "EcsService": "mautic-prod-web", "EcsService2": "mautic-prod-worker"}

// with adds to parameters.
func with(parameters map[string]string, more ...string) map[string]string {
	all := maps.Clone(parameters)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// policyScenarios are what a function is used for. Each deploys the template in
// its own way.
var policyScenarios = map[string]func(*testing.T, *policyTest){
	"preflight, rotation and end of the overlap": func(t *testing.T, p *policyTest) {
		d := deploy(t, p.deploys(t, nil))
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"a secret that the stack makes": func(t *testing.T, p *policyTest) {
		parameters := map[string]string{
			"CreateSecret": "true", "SecretArn": "", "SecretKeyArns": keyARN,
			"DatabaseHost": "db.example.com", "DatabaseName": "mautic", "DatabaseUser": "mautic",
		}
		d := deploy(t, p.deploys(t, parameters))
		// It holds what the template has CloudFormation store: a password alone. The
		// rest is in the function's settings.
		d.put(fmt.Sprintf(`{"database_password":%q}`, d.Password))
		d.reconfigure(map[string]string{
			"DATABASE_HOST": d.MySQL.Host(), "DATABASE_PORT": strconv.Itoa(d.MySQL.Port()), "DATABASE_NAME": d.Database, "DATABASE_USER": d.User,
		})
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"several services": func(t *testing.T, p *policyTest) {
		app := &rig.Application{Services: []string{"mautic-prod-web", "mautic-prod-worker", "mautic-prod-cron", "mautic-prod-queue", "mautic-prod-import"}}
		d := deployApplication(t, app, p.deploys(t, with(services, "EcsService3", app.Services[2], "EcsService4", app.Services[3], "EcsService5", app.Services[4])))
		d.mustPreflight()
		d.rotateToTheEnd()
		d.noLoginFailed()
	},
	"a deployment that bakes": func(t *testing.T, p *policyTest) {
		app := &rig.Application{Strategy: localecs.BlueGreen, BakeTime: time.Hour}
		d := deployApplication(t, app, p.deploys(t, services))
		since := d.AWS.Clock().Now()
		d.mustRotate()
		d.sideBySide(app, since)
		d.mustReconcile()
		d.AWS.Clock().Advance(time.Hour)
		d.mustSettle()
	},
	"rollback": func(t *testing.T, p *policyTest) {
		d := deployApplication(t, brokenApplication(), p.deploys(t, services))
		d.mustRotate()
		d.awaitFailedRollouts()
		d.mustReconcile()
		if d.password("AWSCURRENT") != d.Password {
			t.Errorf("not rolled back: %s", d.journal())
		}
		d.mustSettle()
	},
	"an overlap that is held, and released": func(t *testing.T, p *policyTest) {
		d := deployApplication(t, &rig.Application{Literal: true}, timed(patient), p.deploys(t, services))
		d.mustRotate()
		d.mustBeSteady()
		d.AWS.Clock().Advance(pastRollout)
		d.mustReconcile()
		d.isHeld()
		d.act(actionRelease)
	},
	"a rotation that is given up": func(t *testing.T, p *policyTest) {
		d := deploy(t, p.deploys(t, nil), neverRetried)
		d.AWS.Intercept(func(c wire.Call) wire.Fault {
			return wire.Fault{KillBefore: c.Caller.Step == "testSecret"}
		})
		if _, err := d.Rotate(t.Context()); err == nil {
			t.Error("the rotation did not get stuck")
		}
		d.AWS.Intercept(nil)
		d.act(actionAbandon)
		d.mustRotate()
	},
	"an emergency": func(t *testing.T, p *policyTest) {
		d := deployApplication(t, &rig.Application{}, p.deploys(t, services))
		d.mustPreflight()
		if err := d.rotateWith(tokenOfEmergency); err != nil {
			t.Error(err)
		}
		d.mustSettle()
	},
	"a schedule that is cancelled while an overlap is open": func(t *testing.T, p *policyTest) {
		d := deploy(t, p.deploys(t, nil))
		d.mustRotate()
		if _, err := d.Secrets.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: &d.SecretARN}); err != nil {
			t.Error(err)
		}
		d.mustSettle()
	},
	"an administrator": func(t *testing.T, p *policyTest) {
		d := deploy(t, p.deploys(t, map[string]string{"DatabaseAdminSecretArn": arnOfSecret(rig.AdminSecretName)}), func(o *rig.Options) { o.AdminSecret = true })
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"an administrator whose secret RDS manages": func(t *testing.T, p *policyTest) {
		d := deploy(t, p.deploys(t, map[string]string{"DatabaseAdminSecretArn": arnOfSecret(managedSecret)}), func(o *rig.Options) { o.AdminSecret = true })
		managed, err := d.CreateSecret(t.Context(), managedSecret, fmt.Sprintf(`{"username":%q,"password":%q}`, d.AdminUser, d.AdminPassword))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.AWS.SecretsManager.SetOwningService(managed, "rds"); err != nil {
			t.Fatal(err)
		}
		// RDS stores no host there, so a setting has to say where it may go.
		d.reconfigure(map[string]string{"DATABASE_HOST": d.MySQL.Host()})
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"several secrets with a key, in a network": rotateSeveralSecrets,
	"Mautic's own credentials": func(t *testing.T, p *policyTest) {
		m := deployMautic(t, &rig.Application{}, p.deploys(t, with(services, "RotateKinds", "database,admin,api,webhook")))
		m.mustPreflight()
		m.mustRotate()
		m.mustBeSteady()
		m.mustReconcile()
		m.accepts(false, m.Password)
	},
	"an SMTP credential": func(t *testing.T, p *policyTest) {
		parameters := with(services, "RotateKinds", "database,smtp", "SmtpIamUser", rig.SMTPUser, "SmtpRegion", "us-east-1")
		d := deploySES(t, &rig.Application{}, p.deploys(t, parameters))
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"credentials in a secret of their own": func(t *testing.T, p *policyTest) {
		databases := "mautic-prod-database"
		m := deployMautic(t, &rig.Application{}, p.deploys(t, with(services,
			"RotateKinds", "admin", "DatabaseSecretArn", arnOfSecret(databases), "SecretKeyArns", keyARN)))
		if _, err := m.CreateSecret(t.Context(), databases, m.raw("AWSCURRENT")); err != nil {
			t.Fatal(err)
		}
		m.put(adminDocument(m.seed))
		m.mustPreflight()
		m.mustRotate()
	},
	"an RDS instance": func(t *testing.T, p *policyTest) {
		d := deployRDS(t, p.deploys(t, rdsParameters("instance", instanceID)))
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"an RDS cluster": func(t *testing.T, p *policyTest) {
		d := deploy(t, unprivileged, p.deploys(t, rdsParameters("cluster", clusterID)))
		if err := d.AWS.RDS.CreateDBCluster(localrds.DBCluster{
			Identifier: clusterID, Endpoint: d.MySQL.Host(), Port: d.MySQL.Port(), Master: d.master(),
		}); err != nil {
			t.Fatal(err)
		}
		d.mustPreflight()
		d.rotateToTheEnd()
	},
	"an RDS identifier of nothing": func(t *testing.T, p *policyTest) {
		d := deploy(t, unprivileged, p.deploys(t, rdsParameters("instance", instanceID)))
		wantError(t, d.preflight(), "no instance and no cluster")
	},
}

func rdsParameters(kind, identifier string) map[string]string {
	return map[string]string{"DatabaseRds": kind, "DatabaseInstance": identifier}
}

// rotateSeveralSecrets rotates one secret after the other, each with an account
// of its own.
func rotateSeveralSecrets(t *testing.T, p *policyTest) {
	parameters := map[string]string{
		"DatabaseAdminSecretArn": arnOfSecret(rig.AdminSecretName),
		"SecretKeyArns":          keyARN, "SubnetIds": "subnet-0a1b2c3d", "SecurityGroupIds": "sg-0a1b2c3d",
	}
	for i, name := range severalSecrets[1:] {
		parameters[fmt.Sprint("SecretArn", i+2)] = arnOfSecret(name)
	}
	d := deploy(t, p.deploys(t, parameters), func(o *rig.Options) { o.AdminSecret = true })
	for i, name := range severalSecrets[1:] {
		if err := d.rotateSecret(d.otherSecret(name, fmt.Sprint(d.User, "_", i+2))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.rotateToTheEnd()
}

func TestThePoliciesOfTheTemplateAreEnoughAndNoMore(t *testing.T) {
	mysqltest.NotInCheck(t) // what it needs are its subtests, which all have a server
	t.Parallel()
	p := readPolicies(t)
	t.Run("scenario", func(t *testing.T) { // ends when all of them have
		for name, scenario := range policyScenarios {
			t.Run(name, func(t *testing.T) { scenario(t, p) })
		}
	})
	for _, branch := range p.template.Branches(roleID) {
		if !p.taken[branch] {
			t.Errorf("no scenario deploys what the role has in %s", branch)
		}
	}
	records := p.usage.Records()
	for _, fault := range policy.Audit(records, expected) {
		t.Error(fault)
	}
	if t.Failed() {
		return // what follows takes policies that are right
	}
	// Every other action that the function could be refused, and some that
	// nothing here can see.
	actions := append(localaws.AuthorizedActions(), "kms:Encrypt", "ec2:RunInstances", "iam:PassRole", "secretsmanager:*", "*")
	mutations := policy.Mutations(records, actions)
	for _, mutation := range mutations {
		if len(policy.Audit(mutation.Apply(records), expected)) == 0 {
			t.Errorf("nobody would notice: %s", mutation.Name)
		}
	}
	if len(mutations) < len(actions) {
		t.Errorf("only %d mistakes were tried", len(mutations))
	}
}
