// Package localaws stands in for the AWS services that a secret rotation touches, on one loopback HTTP endpoint that the
// AWS SDKs and the AWS CLI can talk to: Secrets Manager with its rotation service, Lambda, ECS, of RDS the change of a
// master user's password, of IAM the access keys of users, and of EventBridge what wakes a function.
//
//	srv, err := localaws.Start(localaws.Options{})
//	if err != nil { … }
//	defer srv.Close()
//
//	arn, err := srv.CreateFunction(localaws.Function{Name: "rotate", Binary: "/path/to/bootstrap"})
//	secrets := secretsmanager.NewFromConfig(srv.Config())
//	… CreateSecret, then RotateSecret with RotationLambdaARN: arn …
//	err = srv.WaitRotation(ctx, secretID, token)
//
// It aims to be small and to err on the strict side. What it does, it does as the services do: version labels and their
// budget, a pending version without a value, the four steps and the retry of all of them, tasks that read their secrets
// only when they start, a master password that changes some time after it was ordered. A Lambda function is the real
// executable in a child process behind the real runtime API, so a crash is a crash. Where AWS's behaviour is not
// documented or has been seen to differ, [Variants] switches between the possibilities; code under test has to be right
// with each.
//
// What it does not do: signatures are not verified (a request must carry an Authorization header, and its access key id
// tells which Lambda environment made it, its scope which service it is for; the rest is ignored), nothing is persisted or
// encrypted, and quotas on request rates do not exist. An operation that is not there answers UnknownOperationException,
// or InvalidAction as RDS words it. Permissions are a matter of [Options.Authorize], and those of functions alone.
//
// # Databases
//
// RDS has no database servers here: [DBInstance] and [DBCluster] say where one is, and how to change a password at it.
// A change of the master user's password leaves the status as it is for a while, passes through
// resetting-master-credentials, and takes effect when that ends; PendingModifiedValues shows it all along:
//
//	err = srv.CreateDBInstance(localaws.DBInstance{
//		Identifier: "mautic", Endpoint: server.Host(), Port: server.Port(),
//		Master: localaws.MasterUser{Name: "admin", SetPassword: func(ctx context.Context, user, password string) error {
//			_, err := server.Admin().ExecContext(ctx, "ALTER USER ? IDENTIFIED BY ?", user, password)
//			return err
//		}},
//	})
//
// # Access keys
//
// IAM's users are made with [Server.AddIAMUser], and [Server.TagIAMUser] tags them later; a function gives them keys, at
// most two each, and takes these away.
// Nothing in the stand-in is called with such a key. What is, as SES by SMTP, asks [Server.KeyAccepts], which learns of a
// change when [Options.IAMPropagation] is over, while lists show it at once:
//
//	err = srv.AddIAMUser(localaws.IAMUser{Name: "mautic-smtp"})
//	key, err := srv.AddAccessKey("mautic-smtp")
//	secret, active := srv.KeyAccepts(key.ID)
//
// # Faults
//
// [Server.Intercept] sees every call before it is applied and may answer it with an error, kill the Lambda environment
// that made it before or after it is applied, lose the reply, or apply the request late. See [Fault].
//
// # Events
//
// [Server.SendEvents] and [Server.Schedule] invoke a function as rules of EventBridge do, asynchronously, and
// [Server.InterceptEvents] loses, doubles and reorders what they deliver. A test that has moved the clock or awaited a
// deployment calls [Server.WaitIdle] before it looks at what the function made of it:
//
//	err = srv.SendEvents("rotate")
//	stop, err := srv.Schedule("rotate", 15*time.Minute, nil)
//	…
//	srv.Clock().Advance(time.Hour)
//	err = srv.WaitIdle(ctx)
//
// # Time
//
// A [Clock] runs in real time and can be moved forward. Dates in replies, rotation schedules, the schedules and the times
// of events follow it, and so does the HTTP Date header, to the second, which every reply of every service has, errors
// included. A function in a process of its own has the real time in time.Now; it learns the stand-in's from that header,
// and so it should from AWS's. Timeouts, delays and the deadlines given to Lambda functions are real durations, because
// the processes that they bound live in real time.
package localaws
