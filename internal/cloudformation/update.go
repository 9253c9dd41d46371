package cloudformation

import (
	"fmt"
	"reflect"
)

// createOnly has, by type, the properties that an update cannot change: with
// another value CloudFormation makes another resource, and deletes this one.
// These are createOnlyProperties of AWS's resource schemas. SAM's function
// becomes a Lambda function of the same properties.
var createOnly = map[string][]string{
	"AWS::CloudWatch::Alarm":                {"AlarmName"},
	"AWS::CloudWatch::Dashboard":            {"DashboardName"},
	"AWS::Events::Rule":                     {"Name"},
	"AWS::IAM::ManagedPolicy":               {"Description", "ManagedPolicyName", "Path"},
	"AWS::IAM::Role":                        {"Path", "RoleName"},
	"AWS::KMS::Key":                         {},
	"AWS::Lambda::Alias":                    {"FunctionName", "Name"},
	"AWS::Lambda::Permission":               {"Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType", "InvokedViaFunctionUrl", "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"},
	"AWS::Logs::LogGroup":                   {"LogGroupName"},
	"AWS::SecretsManager::RotationSchedule": {"SecretId"},
	"AWS::SecretsManager::Secret":           {"Name"},
	"AWS::Serverless::Function":             {"FunctionName", "PackageType"},
	"AWS::SNS::Subscription":                {"Endpoint", "Protocol", "TopicArn"},
	"AWS::SNS::Topic":                       {"FifoTopic", "TopicName"},
	"AWS::SNS::TopicPolicy":                 {},
}

// ReplacedBy tells whether an update that turns r into next puts another
// resource in its place.
func (r Resource) ReplacedBy(next Resource) (bool, error) {
	properties, known := createOnly[r.Type]
	if !known {
		return false, fmt.Errorf("what an update cannot change of a %s is not known: add it to the package", r.Type)
	}
	if r.Type != next.Type {
		return true, nil
	}
	for _, name := range properties {
		if !reflect.DeepEqual(r.Properties[name], next.Properties[name]) {
			return true, nil
		}
	}
	return false, nil
}

// FixedName is the name that a resource asks for, which nothing else of its type
// can have: "" where CloudFormation makes one up, or where the type has none.
func (r Resource) FixedName() (string, error) {
	if _, known := createOnly[r.Type]; !known {
		return "", fmt.Errorf("what names a %s is not known: add it to the package", r.Type)
	}
	name, _ := r.Properties[identities[r.Type].name].(string)
	return name, nil
}
