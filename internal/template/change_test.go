package template_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
)

// change is what somebody may set parameters to, all at once.
type change map[string]string

const kmsKey = "arn:aws:kms:us-east-1:123456789012:key/0f6b3c62-7d0e-4a5b-9b1c-2d3e4f5a6b7c"

const sharedTopic = "arn:aws:sns:us-east-1:123456789012:operations"

const noticeBus = "arn:aws:events:us-east-1:210987654321:event-bus/central"

// changes has for every parameter what it may be changed to, with what else the
// template's rules want then. Nothing comes of those that are refused.
var changes = map[string][]change{
	"SecretArn":               {with("SecretArn", arnOf("mautic-other"), "CreateSecret", "false")},
	"SecretArn2":              {with("SecretArn2", arnOf("mautic-smtp"))},
	"SecretArn3":              {with("SecretArn3", arnOf("mautic-smtp"))},
	"SecretArn4":              {with("SecretArn4", arnOf("mautic-smtp"))},
	"SecretArn5":              {with("SecretArn5", arnOf("mautic-smtp"))},
	"ScheduleExpression":      {with("ScheduleExpression", "rate(60 days)"), with("ScheduleExpression", "cron(0 3 ? * SUN *)")},
	"ScheduleExpression2":     {with("ScheduleExpression2", "rate(60 days)", "SecretArn2", arnOf("mautic-smtp"))},
	"ScheduleExpression3":     {with("ScheduleExpression3", "rate(60 days)", "SecretArn3", arnOf("mautic-smtp"))},
	"ScheduleExpression4":     {with("ScheduleExpression4", "rate(60 days)", "SecretArn4", arnOf("mautic-smtp"))},
	"ScheduleExpression5":     {with("ScheduleExpression5", "rate(60 days)", "SecretArn5", arnOf("mautic-smtp"))},
	"ScheduleDuration":        {with("ScheduleDuration", "2h")},
	"ScheduleDuration2":       {with("ScheduleDuration2", "2h", "SecretArn2", arnOf("mautic-smtp"))},
	"ScheduleDuration3":       {with("ScheduleDuration3", "2h", "SecretArn3", arnOf("mautic-smtp"))},
	"ScheduleDuration4":       {with("ScheduleDuration4", "2h", "SecretArn4", arnOf("mautic-smtp"))},
	"ScheduleDuration5":       {with("ScheduleDuration5", "2h", "SecretArn5", arnOf("mautic-smtp"))},
	"SecretKeyArns":           {with("SecretKeyArns", kmsKey)},
	"CreateSecret":            {with("CreateSecret", "false", "SecretArn", arnOf("mautic-other")), with("CreateSecret", "true", "SecretArn", "", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
	"SecretName":              {with("SecretName", "mautic-other-secrets")},
	"RotateKinds":             {with("RotateKinds", "database,admin,api,webhook"), with("RotateKinds", "smtp", "SmtpIamUser", "mautic-smtp")},
	"RotateWhenDue":           {with("RotateWhenDue", "true"), with("RotateWhenDue", "false")},
	"DatabaseEveryDays":       {with("DatabaseEveryDays", "1"), with("DatabaseEveryDays", "30")},
	"ApiEveryDays":            {with("ApiEveryDays", "30")},
	"AdminEveryDays":          {with("AdminEveryDays", "30")},
	"WebhookEveryDays":        {with("WebhookEveryDays", "30")},
	"SmtpEveryDays":           {with("SmtpEveryDays", "30")},
	"PasswordLength":          {with("PasswordLength", "41")},
	"PasswordAlphabet":        {with("PasswordAlphabet", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")},
	"EcsCluster":              {with("EcsCluster", "mautic", "EcsService", "web")},
	"EcsService":              {with("EcsService", "web", "EcsCluster", "mautic")},
	"EcsService2":             {with("EcsService2", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"EcsService3":             {with("EcsService3", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"EcsService4":             {with("EcsService4", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"EcsService5":             {with("EcsService5", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"MauticUrl":               {with("MauticUrl", "https://mautic.example.com")},
	"RolloutMinutes":          {with("RolloutMinutes", "60")},
	"FollowCopies":            {with("FollowCopies", "false")},
	"ObserveMinutes":          {with("ObserveMinutes", "0"), with("ObserveMinutes", "120")},
	"WatchSeconds":            {with("WatchSeconds", "30")},
	"OverlapHours":            {with("OverlapHours", "48")},
	"DatabaseHost":            {with("DatabaseHost", "other.example.com")},
	"DatabasePort":            {with("DatabasePort", "3307")},
	"DatabaseName":            {with("DatabaseName", "other")},
	"DatabaseUser":            {with("DatabaseUser", "other")},
	"DatabaseSecretArn":       {with("DatabaseSecretArn", arnOf("rds!db-1"))},
	"DatabaseWay":             {with("DatabaseWay", "single"), with("DatabaseWay", "rds", "DatabaseRds", "instance", "DatabaseInstance", "mautic", "Timeout", "900")},
	"DatabaseRds":             {with("DatabaseRds", "instance", "DatabaseInstance", "mautic"), with("DatabaseRds", "cluster", "DatabaseInstance", "mautic")},
	"DatabaseInstance":        {with("DatabaseInstance", "other", "DatabaseRds", "instance")},
	"DatabaseRecovery":        {with("DatabaseRecovery", "true", "DatabaseRds", "instance", "DatabaseInstance", "mautic")},
	"DatabaseEndpoint":        {with("DatabaseEndpoint", "proxy.example.com:3306")},
	"DatabaseTls":             {with("DatabaseTls", "VERIFY_CA"), with("DatabaseTls", "DISABLED")},
	"MauticTablePrefix":       {with("MauticTablePrefix", "m_")},
	"MauticWebhooks":          {with("MauticWebhooks", "contacts")},
	"ApiOverlapDays":          {with("ApiOverlapDays", "14")},
	"AdminHashCost":           {with("AdminHashCost", "13")},
	"SmtpIamUser":             {with("SmtpIamUser", "mautic-smtp")},
	"SmtpIamUserPath":         {with("SmtpIamUserPath", "/ses/", "SmtpIamUser", "mautic-smtp")},
	"SmtpRegion":              {with("SmtpRegion", "eu-west-1")},
	"SmtpHost":                {with("SmtpHost", "email-smtp.eu-west-1.amazonaws.com")},
	"SmtpPort":                {with("SmtpPort", "465")},
	"SmtpTestFrom":            {with("SmtpTestFrom", "mautic@example.com")},
	"SmtpTestTo":              {with("SmtpTestTo", "success@simulator.amazonses.com")},
	"FunctionName":            {with("FunctionName", "another-name"), with("FunctionName", "mautic-secret-rotation")},
	"SubnetIds":               {with("SubnetIds", "subnet-0a1b", "SecurityGroupIds", "sg-0a1b")},
	"SecurityGroupIds":        {with("SecurityGroupIds", "sg-0a1b", "SubnetIds", "subnet-0a1b")},
	"Timeout":                 {with("Timeout", "900")},
	"MemorySize":              {with("MemorySize", "512")},
	"ReconcileSchedule":       {with("ReconcileSchedule", "rate(1 minute)")},
	"LogLevel":                {with("LogLevel", "DEBUG")},
	"LogRetentionDays":        {with("LogRetentionDays", "30")},
	"LogKeyArn":               {with("LogKeyArn", kmsKey)},
	"CreateOperatorPolicies":  {with("CreateOperatorPolicies", "true"), with("CreateOperatorPolicies", "false")},
	"TopicArn":                {with("TopicArn", sharedTopic, "AlarmEmail", "")},
	"CreateAlarms":            {with("CreateAlarms", "false")},
	"CreateDashboard":         {with("CreateDashboard", "false")},
	"WriteMetrics":            {with("WriteMetrics", "false", "CreateAlarms", "false", "CreateDashboard", "false")},
	"AlarmEmail":              {with("AlarmEmail", "ops@example.com")},
	"ChatNotices":             {with("ChatNotices", "true")},
	"NoticeBusArn":            {with("NoticeBusArn", noticeBus)},
	"TopicKeyArn":             {with("TopicKeyArn", kmsKey)},
	"NotifySuccess":           {with("NotifySuccess", "false")},
	"OverlapAlarmHours":       {with("OverlapAlarmHours", "48")},
	"AgeAlarmPercent":         {with("AgeAlarmPercent", "200")},
	"DatabaseUserPointer":     {with("DatabaseUserPointer", "/u", "DatabasePasswordPointer", "/p")},
	"DatabaseHostPointer":     {with("DatabaseHostPointer", "/h", "DatabasePasswordPointer", "/p")},
	"DatabasePortPointer":     {with("DatabasePortPointer", "/o", "DatabasePasswordPointer", "/p")},
	"DatabaseNamePointer":     {with("DatabaseNamePointer", "/n", "DatabasePasswordPointer", "/p")},
	"DatabaseAdminSecretArn":  {with("DatabaseAdminSecretArn", arnOf("rds!db-1"))},
	"DatabasePasswordPointer": {with("DatabasePasswordPointer", "/p")},
}

// stateful are the types of which an update that puts another resource in the
// place of one, or deletes it, loses something.
var stateful = map[string]string{
	"AWS::SecretsManager::Secret": "its value",
	"AWS::Logs::LogGroup":         "the audit lines",
	"AWS::SNS::Topic":             "its subscriptions, which have to be confirmed anew",
}

// stateless are the others.
var stateless = map[string]string{
	"AWS::CloudWatch::Alarm":                "nothing",
	"AWS::CloudWatch::Dashboard":            "nothing",
	"AWS::Events::Rule":                     "nothing",
	"AWS::IAM::ManagedPolicy":               "nothing but its attachments: it is made by the stack, and its name is not its own choice",
	"AWS::IAM::Role":                        "nothing",
	"AWS::KMS::Key":                         "messages of the topic that are under way",
	"AWS::Lambda::Alias":                    "nothing: it has no permissions of its own",
	"AWS::Lambda::Permission":               "nothing",
	"AWS::SecretsManager::RotationSchedule": "nothing that the template does not say again",
	"AWS::Serverless::Function":             "nothing: what a rotation leaves open is in the secret's labels",
	"AWS::SNS::Subscription":                "the confirmation, of another address",
	"AWS::SNS::TopicPolicy":                 "nothing",
}

// givenUp is what a change of a parameter is for: the topic is the one that is
// given, and that of the stack goes with its subscriptions.
var givenUp = map[string]string{"TopicArn": "Topic is deleted, and with it its subscriptions"}

// A rendering is the stack with some parameters.
type rendering func(parameters map[string]string) (*cloudformation.Stack, error)

// renderedOnce renders each stack once: most changes begin with the same.
func renderedOnce(parsed *cloudformation.Template) rendering {
	type result struct {
		stack *cloudformation.Stack
		err   error
	}
	known := map[string]result{}
	return func(parameters map[string]string) (*cloudformation.Stack, error) {
		key := fmt.Sprintf("%q", parameters) // in the order of the names
		its, done := known[key]
		if !done {
			its.stack, its.err = parsed.Render(cloudformation.Options{Parameters: parameters})
			known[key] = its
		}
		return its.stack, its.err
	}
}

// eachChange renders the stack before and after each of the changes to a
// parameter. It reports how many were taken.
func eachChange(t *testing.T, rendered rendering, base map[string]string, parameter string, look func(before, after *cloudformation.Stack, to change)) (taken int) {
	t.Helper()
	for _, to := range changes[parameter] {
		after := changedTo(base, to)
		// A parameter is changed by itself: what the rules want with it is there
		// before, where that is possible.
		before := maps.Clone(after)
		delete(before, parameter)
		if value, set := base[parameter]; set {
			before[parameter] = value
		}
		one, err := rendered(before)
		if err != nil {
			if one, err = rendered(base); err != nil {
				t.Fatal(err)
			}
		}
		if other, err := rendered(after); err == nil {
			taken++
			look(one, other, to)
		}
	}
	return taken
}

func TestNoChangeOfAParameterWritesASecretsValueOrLosesWhatIsKept(t *testing.T) {
	t.Parallel()
	tpl, rendered := read(t), renderedOnce(parse(t))
	for _, parameter := range tpl.Parameters.Keys() {
		if len(changes[parameter]) == 0 {
			t.Errorf("%s: what it may be changed to is not among the changes that are tried", parameter)
		}
		for way, base := range map[string]map[string]string{"which makes the secret": creating, "which is given one": given, "which has everything": full()} {
			taken := eachChange(t, rendered, base, parameter, func(before, after *cloudformation.Stack, to change) {
				for _, fault := range losses(before, after) {
					if meant := givenUp[parameter]; meant == "" || !strings.HasPrefix(fault, meant) {
						t.Errorf("%v: %s", to, fault)
					}
				}
			})
			// A change that is refused has shown nothing; this one has to be.
			if refused := parameter == "SecretName" && base["CreateSecret"] == "true"; (taken == 0) != refused {
				t.Errorf("%s, in a stack %s: %d changes were taken", parameter, way, taken)
			}
		}
	}
	for parameter := range changes {
		if tpl.Parameters[parameter] == nil {
			t.Errorf("the template has no parameter %s", parameter)
		}
	}
}

// losses tells what an update would write to a secret, and what it would delete.
func losses(before, after *cloudformation.Stack) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for id, old := range before.Resources {
		lost, isStateful := stateful[old.Type]
		if _, known := stateless[old.Type]; !known && !isStateful {
			fault("%s: whether a %s holds anything is not known", id, old.Type)
		}
		next, stays := after.Resources[id]
		if !stays {
			if isStateful && old.DeletionPolicy != "Retain" && old.DeletionPolicy != "RetainExceptOnCreate" {
				fault("%s is deleted, and with it %s", id, lost)
			}
			continue
		}
		replaced, err := old.ReplacedBy(next)
		if err != nil {
			fault("%s: %v", id, err)
		}
		if replaced && (isStateful || next.UpdateReplacePolicy == "Retain") {
			fault("%s is replaced, and with it %s", id, lost)
		}
		// CloudFormation writes a secret's value by what nobody reads back of it, each
		// time that it differs from what it was.
		schema, err := cloudformation.SchemaOf("AWS::SecretsManager::Secret")
		if err != nil || len(schema.WriteOnly) < 2 {
			fault("by what a secret's value is written is not known: %v, %v", schema, err)
		}
		for _, name := range schema.WriteOnly {
			if old.Type == "AWS::SecretsManager::Secret" && !reflect.DeepEqual(old.Properties[name], next.Properties[name]) {
				fault("%s: %s is %v, was %v: a new value is stored", id, name, next.Properties[name], old.Properties[name])
			}
		}
	}
	return faults
}

func TestTheLossesOfAnUpdateAreSeen(t *testing.T) {
	t.Parallel()
	stack := func(resources map[string]cloudformation.Resource) *cloudformation.Stack {
		return &cloudformation.Stack{Resources: resources}
	}
	secret := func(policy, name, user string) map[string]cloudformation.Resource {
		return map[string]cloudformation.Resource{"S": {
			Type: "AWS::SecretsManager::Secret", DeletionPolicy: policy, UpdateReplacePolicy: "Retain",
			Properties: map[string]any{"Name": name, "GenerateSecretString": map[string]any{"SecretStringTemplate": user}},
		}}
	}
	for want, resources := range map[string][2]map[string]cloudformation.Resource{
		"":                     {secret("Retain", "n", "u"), secret("Retain", "n", "u")},
		"a new value is":       {secret("Retain", "n", "u"), secret("Retain", "n", "v")},
		"is replaced":          {secret("Retain", "n", "u"), secret("Retain", "m", "u")},
		"is deleted":           {secret("Delete", "n", "u"), nil},
		"holds anything is no": {{"B": {Type: "AWS::S3::Bucket"}}, nil},
	} {
		faults := losses(stack(resources[0]), stack(resources[1]))
		if (want == "") != (len(faults) == 0) || len(faults) > 0 && !strings.Contains(faults[0], want) {
			t.Errorf("want %q, got %q", want, faults)
		}
	}
}

// CloudFormation stores a new password over everything in the secret when this
// differs from what the stack was made with: by a parameter, or by a later
// version of the template. So does another logical id, or another name.
func TestTheCreatedSecretIsTheSameInEveryVersionOfTheTemplate(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{StackName: "mautic-dev", Parameters: creating})
	secret := stack.Resources["CreatedSecret"]
	want := map[string]any{"SecretStringTemplate": "{}", "GenerateStringKey": "database_password", "PasswordLength": "32", "ExcludePunctuation": "true"}
	if got := secret.Properties["GenerateSecretString"]; !reflect.DeepEqual(got, want) || secret.Properties["SecretString"] != nil {
		t.Errorf("its value is made by %v", got)
	}
	if name := secret.Properties["Name"]; name != "mautic-dev-credentials" {
		t.Errorf("its name is %v", name)
	}
}

func TestAStackThatAnEarlierTemplateMadeTheSecretOfIsToldToKeepIt(t *testing.T) {
	t.Parallel()
	before := changedTo(creating, with("SecretName", "mautic-dev-secrets")) // as SAM passes what the stack had
	_, err := parse(t).Render(cloudformation.Options{Parameters: before})
	if err == nil || !strings.Contains(err.Error(), "set CreateSecret to false and SecretArn to its ARN") {
		t.Fatalf("got %v", err)
	}
	// The remedy.
	stack := render(t, parse(t), cloudformation.Options{Parameters: changedTo(before, with("CreateSecret", "false", "SecretArn", arnOf("mautic-dev-secrets")))})
	environment, err := stack.Environment("RotationFunction")
	if err != nil || environment["SECRET_ARNS"] != arnOf("mautic-dev-secrets") {
		t.Errorf("the function serves %q, %v", environment["SECRET_ARNS"], err)
	}
}
