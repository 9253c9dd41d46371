// Package localaws stands in for the AWS services that a secret rotation and its operator touch, on one loopback HTTP endpoint
// that the AWS SDKs and the AWS CLI can talk to: Secrets Manager with its rotation service, Lambda, ECS, of RDS the change of a
// master user's password, of IAM the access keys of users and the roles of functions, and EventBridge and SNS. For the operator
// there are what is read of CloudFormation's stacks, CloudWatch Logs, CloudTrail, SES and the tagging API, and who calls, by STS.
//
//	srv, err := localaws.Start(localaws.Options{})
//	if err != nil { … }
//	defer srv.Close()
//
//	arn, err := srv.Lambda.CreateFunction(lambda.Function{Name: "rotate", Binary: "/path/to/bootstrap"})
//	secrets := secretsmanager.NewFromConfig(srv.Config())
//	… CreateSecret, then RotateSecret with RotationLambdaARN: arn …
//	err = srv.SecretsManager.WaitRotation(ctx, secretID, token)
//
// What an operator's program finds, whoever starts the stand-in puts there:
//
//	stack, err := srv.CloudFormation.Put(cloudformation.Stack{Name: "mautic", Outputs: map[string]string{"FunctionArn": arn}})
//	alias, err := srv.Lambda.CreateAlias("rotate", "live")
//	topic := srv.SNS.CreateTopic("notices")
//	cancel, err := srv.SNS.Subscribe(topic, func(m sns.Message) { … })
//	rule, err := srv.EventBridge.PutRule(eventbridge.Rule{Name: "failures", Pattern: `{…}`, Targets: []eventbridge.Target{{ARN: topic}}})
//
// This package only wires: each service is a package of its own below it, which says what it does and what it does not do.
// Package wire has the protocols, the record of calls, the faults and the authorization; package host has the clock, the
// record of events, background work and child processes. Services know each other by small interfaces of their own, and not
// by import. Callers import a service's package under its name with "local" before it, such as localecs, because the SDK has
// packages of the same names.
//
// It aims to be small and to err on the strict side. An operation that a service lacks answers UnknownOperationException, or
// InvalidAction as the Query services word it. Permissions are a matter of [Options.Authorize], and those of functions alone.
//
// # Faults
//
// [Server.Intercept] sees every call before it is applied and may answer it with an error, kill the Lambda environment
// that made it before or after it is applied, lose the reply, or apply the request late. See [wire.Fault].
//
// # Time
//
// A [host.Clock] runs in real time and can be moved forward. Dates in replies, rotation schedules, the schedules and the times
// of events follow it, and so does the HTTP Date header, to the second, which every reply of every service has, errors
// included. A function in a process of its own has the real time in time.Now; it learns the stand-in's from that header,
// and so it should from AWS's. Timeouts, delays and the deadlines given to Lambda functions are real durations, because
// the processes that they bound live in real time.
package localaws
