// Package rows has, for tests, how the template is deployed and what of that may be
// changed: a row for every parameter. A test that goes through them all is of every
// parameter, and a parameter without a row fails it.
//
//	for _, to := range rows.Changes["ObserveMinutes"] {
//		after := rows.ChangedTo(rows.Given, to)
package rows

import (
	"fmt"
	"maps"
)

// A Change is what somebody may set parameters to, all at once.
type Change map[string]string

// KMSKey, SharedTopic and NoticeBus are ARNs for parameters that take one.
const KMSKey = "arn:aws:kms:us-east-1:123456789012:key/0f6b3c62-7d0e-4a5b-9b1c-2d3e4f5a6b7c"

const SharedTopic = "arn:aws:sns:us-east-1:123456789012:operations"

const NoticeBus = "arn:aws:events:us-east-1:210987654321:event-bus/central"

// Changes has for every parameter what it may be changed to, with what else the
// template's rules want then. Nothing comes of those that are refused.
var Changes = map[string][]Change{
	"SecretArn":               {With("SecretArn", ARNOf("mautic-other"), "CreateSecret", "false")},
	"SecretArn2":              {With("SecretArn2", ARNOf("mautic-smtp"))},
	"SecretArn3":              {With("SecretArn3", ARNOf("mautic-smtp"))},
	"SecretArn4":              {With("SecretArn4", ARNOf("mautic-smtp"))},
	"SecretArn5":              {With("SecretArn5", ARNOf("mautic-smtp"))},
	"ScheduleExpression":      {With("ScheduleExpression", "rate(60 days)"), With("ScheduleExpression", "cron(0 3 ? * SUN *)")},
	"ScheduleExpression2":     {With("ScheduleExpression2", "rate(60 days)", "SecretArn2", ARNOf("mautic-smtp"))},
	"ScheduleExpression3":     {With("ScheduleExpression3", "rate(60 days)", "SecretArn3", ARNOf("mautic-smtp"))},
	"ScheduleExpression4":     {With("ScheduleExpression4", "rate(60 days)", "SecretArn4", ARNOf("mautic-smtp"))},
	"ScheduleExpression5":     {With("ScheduleExpression5", "rate(60 days)", "SecretArn5", ARNOf("mautic-smtp"))},
	"ScheduleDuration":        {With("ScheduleDuration", "2h")},
	"ScheduleDuration2":       {With("ScheduleDuration2", "2h", "SecretArn2", ARNOf("mautic-smtp"))},
	"ScheduleDuration3":       {With("ScheduleDuration3", "2h", "SecretArn3", ARNOf("mautic-smtp"))},
	"ScheduleDuration4":       {With("ScheduleDuration4", "2h", "SecretArn4", ARNOf("mautic-smtp"))},
	"ScheduleDuration5":       {With("ScheduleDuration5", "2h", "SecretArn5", ARNOf("mautic-smtp"))},
	"SecretKeyArns":           {With("SecretKeyArns", KMSKey)},
	"CreateSecret":            {With("CreateSecret", "false", "SecretArn", ARNOf("mautic-other")), With("CreateSecret", "true", "SecretArn", "", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
	"SecretName":              {With("SecretName", "mautic-other-secrets")},
	"RotateKinds":             {With("RotateKinds", "database,admin,api,webhook"), With("RotateKinds", "smtp", "SmtpIamUser", "mautic-smtp")},
	"RotateWhenDue":           {With("RotateWhenDue", "true"), With("RotateWhenDue", "false")},
	"DatabaseEveryDays":       {With("DatabaseEveryDays", "1"), With("DatabaseEveryDays", "30")},
	"ApiEveryDays":            {With("ApiEveryDays", "30")},
	"AdminEveryDays":          {With("AdminEveryDays", "30")},
	"WebhookEveryDays":        {With("WebhookEveryDays", "30")},
	"SmtpEveryDays":           {With("SmtpEveryDays", "30")},
	"PasswordLength":          {With("PasswordLength", "41")},
	"PasswordAlphabet":        {With("PasswordAlphabet", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")},
	"EcsCluster":              {With("EcsCluster", "mautic", "EcsService", "web")},
	"EcsService":              {With("EcsService", "web", "EcsCluster", "mautic")},
	"EcsService2":             {With("EcsService2", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"EcsService3":             {With("EcsService3", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"EcsService4":             {With("EcsService4", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"EcsService5":             {With("EcsService5", "cron", "EcsService", "web", "EcsCluster", "mautic")},
	"MauticUrl":               {With("MauticUrl", "https://mautic.example.com")},
	"RolloutMinutes":          {With("RolloutMinutes", "60")},
	"FollowCopies":            {With("FollowCopies", "false")},
	"ObserveMinutes":          {With("ObserveMinutes", "0"), With("ObserveMinutes", "120")},
	"WatchSeconds":            {With("WatchSeconds", "30")},
	"OverlapHours":            {With("OverlapHours", "48")},
	"DatabaseHost":            {With("DatabaseHost", "other.example.com")},
	"DatabasePort":            {With("DatabasePort", "3307")},
	"DatabaseName":            {With("DatabaseName", "other")},
	"DatabaseUser":            {With("DatabaseUser", "other")},
	"DatabaseSecretArn":       {With("DatabaseSecretArn", ARNOf("rds!db-1"))},
	"DatabaseWay":             {With("DatabaseWay", "single"), With("DatabaseWay", "rds", "DatabaseRds", "instance", "DatabaseInstance", "mautic", "Timeout", "900")},
	"DatabaseRds":             {With("DatabaseRds", "instance", "DatabaseInstance", "mautic"), With("DatabaseRds", "cluster", "DatabaseInstance", "mautic")},
	"DatabaseInstance":        {With("DatabaseInstance", "other", "DatabaseRds", "instance")},
	"DatabaseRecovery":        {With("DatabaseRecovery", "true", "DatabaseRds", "instance", "DatabaseInstance", "mautic")},
	"DatabaseEndpoint":        {With("DatabaseEndpoint", "proxy.example.com:3306")},
	"DatabaseTls":             {With("DatabaseTls", "VERIFY_CA"), With("DatabaseTls", "DISABLED")},
	"MauticTablePrefix":       {With("MauticTablePrefix", "m_")},
	"MauticWebhooks":          {With("MauticWebhooks", "contacts")},
	"ApiOverlapDays":          {With("ApiOverlapDays", "14")},
	"AdminHashCost":           {With("AdminHashCost", "13")},
	"SmtpIamUser":             {With("SmtpIamUser", "mautic-smtp")},
	"SmtpIamUserPath":         {With("SmtpIamUserPath", "/ses/", "SmtpIamUser", "mautic-smtp")},
	"SmtpRegion":              {With("SmtpRegion", "eu-west-1")},
	"SmtpHost":                {With("SmtpHost", "email-smtp.eu-west-1.amazonaws.com")},
	"SmtpPort":                {With("SmtpPort", "465")},
	"SmtpTestFrom":            {With("SmtpTestFrom", "mautic@example.com", "SmtpTestTo", "success@simulator.amazonses.com")},
	"SmtpTestTo":              {With("SmtpTestTo", "success@simulator.amazonses.com", "SmtpTestFrom", "mautic@example.com")},
	"FunctionName":            {With("FunctionName", "another-name"), With("FunctionName", "mautic-secret-rotation")},
	"SubnetIds":               {With("SubnetIds", "subnet-0a1b", "SecurityGroupIds", "sg-0a1b")},
	"SecurityGroupIds":        {With("SecurityGroupIds", "sg-0a1b", "SubnetIds", "subnet-0a1b")},
	"Timeout":                 {With("Timeout", "900")},
	"MemorySize":              {With("MemorySize", "512")},
	"ReconcileSchedule":       {With("ReconcileSchedule", "rate(1 minute)")},
	"LogLevel":                {With("LogLevel", "DEBUG")},
	"LogRetentionDays":        {With("LogRetentionDays", "30")},
	"LogKeyArn":               {With("LogKeyArn", KMSKey)},
	"CreateOperatorPolicies":  {With("CreateOperatorPolicies", "true"), With("CreateOperatorPolicies", "false")},
	"TopicArn":                {With("TopicArn", SharedTopic, "AlarmEmail", "")},
	"CreateAlarms":            {With("CreateAlarms", "false")},
	"CreateDashboard":         {With("CreateDashboard", "false")},
	"WriteMetrics":            {With("WriteMetrics", "false", "CreateAlarms", "false", "CreateDashboard", "false")},
	"AlarmEmail":              {With("AlarmEmail", "ops@example.com")},
	"ChatNotices":             {With("ChatNotices", "true")},
	"NoticeBusArn":            {With("NoticeBusArn", NoticeBus)},
	"TopicKeyArn":             {With("TopicKeyArn", KMSKey)},
	"NotifySuccess":           {With("NotifySuccess", "false")},
	"OverlapAlarmHours":       {With("OverlapAlarmHours", "48")},
	"AgeAlarmPercent":         {With("AgeAlarmPercent", "200")},
	"DatabaseUserPointer":     {With("DatabaseUserPointer", "/u", "DatabasePasswordPointer", "/p", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
	"DatabaseHostPointer":     {With("DatabaseHostPointer", "/h", "DatabasePasswordPointer", "/p", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
	"DatabasePortPointer":     {With("DatabasePortPointer", "/o", "DatabasePasswordPointer", "/p", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
	"DatabaseNamePointer":     {With("DatabaseNamePointer", "/n", "DatabasePasswordPointer", "/p", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
	"DatabaseAdminSecretArn":  {With("DatabaseAdminSecretArn", ARNOf("rds!db-1"))},
	"DatabasePasswordPointer": {With("DatabasePasswordPointer", "/p", "DatabaseHost", "db.example.com", "DatabaseName", "mautic", "DatabaseUser", "mautic")},
}

// ARNOf is the ARN of a secret in us-east-1.
func ARNOf(name string) string {
	return "arn:aws:secretsmanager:us-east-1:123456789012:secret:" + name + "-AbCdEf"
}

// Creating and Given are two ways to deploy: the stack makes the secret, or is given
// one.
var (
	Creating = map[string]string{"CreateSecret": "true", "DatabaseHost": "db.example.com", "DatabaseName": "mautic", "DatabaseUser": "mautic"}
	Given    = map[string]string{"SecretArn": ARNOf("mautic-prod-secrets")}
)

// ChangedTo are parameters with others over them.
func ChangedTo(parameters, others map[string]string) map[string]string {
	all := maps.Clone(parameters)
	maps.Copy(all, others)
	return all
}

// With puts parameters together: With("A", "a", "B", "b").
func With(pairs ...string) map[string]string {
	parameters := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		parameters[pairs[i]] = pairs[i+1]
	}
	return parameters
}

// Full is a deployment with every resource that the template has.
func Full() map[string]string {
	parameters := ChangedTo(Creating, With("EcsCluster", "c", "EcsService", "web", "AlarmEmail", "ops@example.com", "CreateOperatorPolicies", "true",
		"ChatNotices", "true", "NoticeBusArn", NoticeBus))
	for i := 2; i <= 5; i++ {
		parameters[fmt.Sprint("SecretArn", i)] = ARNOf(fmt.Sprint("mautic-", i))
	}
	return parameters
}
