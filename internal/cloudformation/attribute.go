package cloudformation

import (
	"fmt"
	"slices"
	"strings"
)

// identity is what is known of a type's resources: the property that names one,
// and what the attributes come to by that name. Ref is an attribute of that
// name here.
type identity struct {
	name       string
	attributes map[string]string
}

// identities has the types that templates here use. In an attribute, {name} is
// the resource's name, {.<property>} one of its properties, and {arn:<service>}
// the beginning of its ARN, up to the account; {arn:iam} has no region.
var identities = map[string]identity{
	"AWS::CloudWatch::Alarm":          {"AlarmName", map[string]string{"Ref": "{name}", "Arn": "{arn:cloudwatch}:alarm:{name}"}},
	"AWS::CloudWatch::CompositeAlarm": {"AlarmName", map[string]string{"Ref": "{name}", "Arn": "{arn:cloudwatch}:alarm:{name}"}},
	"AWS::CloudWatch::Dashboard":      {"DashboardName", map[string]string{"Ref": "{name}"}},
	"AWS::EC2::SecurityGroup":         {"", map[string]string{"Ref": "sg-0123456789abcdef0", "GroupId": "sg-0123456789abcdef0"}},
	"AWS::Events::Rule":               {"Name", map[string]string{"Ref": "{name}", "Arn": "{arn:events}:rule/{name}"}},
	"AWS::IAM::ManagedPolicy":         {"ManagedPolicyName", map[string]string{"Ref": "{arn:iam}:policy/{name}", "PolicyArn": "{arn:iam}:policy/{name}"}},
	"AWS::IAM::Role":                  {"RoleName", map[string]string{"Ref": "{name}", "Arn": "{arn:iam}:role/{name}"}},
	"AWS::KMS::Key":                   {"", map[string]string{"Ref": "11111111-2222-4333-8444-555555555555", "Arn": "{arn:kms}:key/11111111-2222-4333-8444-555555555555"}},
	"AWS::Lambda::Alias":              {"", map[string]string{"Ref": "{arn:lambda}:function:{.FunctionName}:{.Name}", "AliasArn": "{arn:lambda}:function:{.FunctionName}:{.Name}"}}, // its name is unique in its function alone
	"AWS::Lambda::Function":           {"FunctionName", map[string]string{"Ref": "{name}", "Arn": "{arn:lambda}:function:{name}"}},
	"AWS::Logs::LogGroup":             {"LogGroupName", map[string]string{"Ref": "{name}", "Arn": "{arn:logs}:log-group:{name}:*"}},
	"AWS::SecretsManager::Secret":     {"Name", map[string]string{"Ref": "{arn:secretsmanager}:secret:{name}-AbCdEf", "Id": "{arn:secretsmanager}:secret:{name}-AbCdEf"}},
	"AWS::Serverless::Function":       {"FunctionName", map[string]string{"Ref": "{name}", "Arn": "{arn:lambda}:function:{name}"}},
	"AWS::SNS::Topic":                 {"TopicName", map[string]string{"Ref": "{arn:sns}:{name}", "TopicArn": "{arn:sns}:{name}", "TopicName": "{name}"}},
	"AWS::SQS::Queue":                 {"QueueName", map[string]string{"Ref": "https://sqs.{region}.amazonaws.com/{account}/{name}", "Arn": "{arn:sqs}:{name}", "QueueName": "{name}"}},
}

// attribute is what a resource's attribute will be, or a reference to it.
func (r *renderer) attribute(id, attribute string) (any, error) {
	if slices.ContainsFunc(r.under, isCondition) {
		return nil, fmt.Errorf("a condition depends on parameters alone, and %s is none", id)
	}
	declaration, exists, err := r.declared(id)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, fmt.Errorf("the resource %s is not there: its condition is not met", id)
	}
	if r.options.Attribute != nil {
		if value, ok := r.options.Attribute(id, attribute); ok {
			return value, nil
		}
	}
	kind, _ := declaration["Type"].(string)
	known := identities[kind]
	format, ok := known.attributes[attribute]
	if !ok {
		return nil, fmt.Errorf("the attribute %s of a %s is not known: add it to the package, or give it by Options.Attribute", attribute, kind)
	}
	name, err := r.physicalName(id, known.name, declaration)
	if err != nil {
		return nil, err
	}
	if format, err = r.properties(id, format, declaration); err != nil {
		return nil, err
	}
	return r.fill(format, name), nil
}

// properties puts a resource's properties into an attribute's form.
func (r *renderer) properties(id, format string, declaration map[string]any) (string, error) {
	for {
		before, after, found := strings.Cut(format, "{.")
		if !found {
			return format, nil
		}
		property, rest, _ := strings.Cut(after, "}")
		value, err := r.property(id, property, declaration)
		if err != nil {
			return "", err
		}
		text, ok := value.(string)
		if !ok {
			return "", fmt.Errorf("%s of %s is no text", property, id)
		}
		format = before + text + rest
	}
}

// physicalName is a resource's name: the one that it asks for, or one such as
// CloudFormation makes up.
func (r *renderer) physicalName(id, property string, declaration map[string]any) (string, error) {
	asked, err := r.property(id, property, declaration)
	if err != nil {
		return "", err
	}
	switch asked := asked.(type) {
	case string:
		return asked, nil
	case nil, noValue:
		return r.options.StackName + "-" + id + "-1A2B3C4D5E6F", nil
	}
	return "", fmt.Errorf("%s is no text", property)
}

// property is what a resource's property comes to: nil where it has none.
func (r *renderer) property(id, name string, declaration map[string]any) (any, error) {
	properties, err := section(declaration, "Properties")
	if err != nil {
		return nil, err
	}
	leave, err := r.enter("the property " + name + " of " + id)
	if err != nil {
		return nil, err
	}
	defer leave()
	return r.resolve(properties[name])
}

// fill puts a name and the surroundings into an attribute's form.
func (r *renderer) fill(format, name string) string {
	o := &r.options
	if before, after, found := strings.Cut(format, "{arn:"); found {
		service, rest, _ := strings.Cut(after, "}")
		region := o.Region
		if service == "iam" {
			region = ""
		}
		format = before + "arn:" + o.Partition + ":" + service + ":" + region + ":" + o.AccountID + rest
	}
	// The name comes last, so that nothing in it is replaced. A strings.Replacer
	// would be made for this one text, which costs more than all the rest.
	format = strings.ReplaceAll(format, "{region}", o.Region)
	format = strings.ReplaceAll(format, "{account}", o.AccountID)
	return strings.ReplaceAll(format, "{name}", name)
}
