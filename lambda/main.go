// Command lambda is the rotation function: the entry point that AWS Lambda
// runs. It reads its settings from the environment, wires the credential kinds
// to the engine in package rotation, and hands each event to what it is for.
//
// It is built as "bootstrap" for the runtime provided.al2023; see `make build`.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/logging"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/database"
	"mautic-rotation/rotation/ecs"
	"mautic-rotation/rotation/mautic"
	"mautic-rotation/rotation/rds"
	"mautic-rotation/rotation/smtp"
)

func main() { serve(timing{}) }

// serve passes invocations to the function until Lambda ends the process.
func serve(t timing) {
	logs := logHandler()
	// The Lambda runtime writes its own messages as text, through package log.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(logs, slog.LevelError).Writer())
	f, err := newFunction(context.Background(), logs, t)
	if err != nil {
		// Start all the same: an invocation's error reaches whoever asked for the rotation; that
		// of a process that exits does not.
		slog.New(logs).Error("the function's settings cannot be used", "error", err)
		lambda.Start(func(context.Context) error { return err })
	}
	lambda.Start(f.handle)
}

// logHandler writes JSON with the keys of Lambda's own JSON log format, which the console and
// Logs Insights know.
func logHandler() slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(os.Getenv("AWS_LAMBDA_LOG_LEVEL"))); err != nil {
		level = slog.LevelInfo // unset, or Lambda's TRACE and FATAL
	}
	return slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr})
}

// sdkLogger writes the AWS SDK's own messages, which are about connections, to the log.
type sdkLogger struct{ log *slog.Logger }

func (l sdkLogger) Logf(class logging.Classification, format string, args ...any) {
	l.log.Debug("AWS SDK", "class", string(class), "text", fmt.Sprintf(format, args...))
}

// newFunction builds the function from the environment.
func newFunction(ctx context.Context, logs slog.Handler, t timing) (*function, error) {
	s, err := readSettings(os.Environ())
	if err != nil {
		return nil, err
	}
	t.adjust(&s)
	awsConfig, err := config.LoadDefaultConfig(ctx, append(t.retries(),
		config.WithRetryMaxAttempts(awsAttempts),
		config.WithLogger(sdkLogger{slog.New(logs)}),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(awsTimeout)))...)
	if err != nil {
		return nil, err
	}
	return assemble(s, awsConfig, logs, t)
}

// assemble builds the function from its settings, with AWS clients from an SDK configuration.
func assemble(s settings, awsConfig aws.Config, logs slog.Handler, t timing) (*function, error) {
	secrets := secretsmanager.NewFromConfig(awsConfig)
	if s.adminSecretARN != "" {
		s.database.Admin = namedSecret{"DATABASE_ADMIN_SECRET_ARN", s.adminSecretARN, "the administrator's username and password"}.documents(secrets)
	}
	if s.databaseSecretARN != "" {
		s.mautic.databaseDocuments = namedSecret{"DATABASE_SECRET_ARN", s.databaseSecretARN, "the database's credentials"}.documents(secrets)
	}
	if s.askRDS {
		databases := rds.New(awsrds.NewFromConfig(awsConfig))
		databases.Interval = cmp.Or(t.RDS, databases.Interval)
		s.database.RDS = databases
	}
	s.smtp.IAM = iam.NewFromConfig(awsConfig)
	measured := newMetrics(os.Stdout, lambdacontext.FunctionName, s.unmeasured)
	c := rotation.Config{
		SecretsManager: secrets,
		Kinds:          kinds(s),
		Secrets:        s.secretARNs,
		LeaveCopies:    s.leaveCopies,
		Limits:         s.limits,
		Every:          s.every,
		WhenDue:        s.whenDue,
		Metrics:        measured,
		Pauses:         t.Pauses,
	}
	if len(s.services) > 0 {
		c.Services = ecs.New(awsecs.NewFromConfig(awsConfig), s.cluster, s.services)
	}
	if s.mauticURL != "" {
		var err error
		if c.Health, err = mautic.NewHealth(s.mauticURL, http.DefaultClient); err != nil {
			return nil, fmt.Errorf("MAUTIC_URL: %w", err)
		}
	}
	return &function{rotator: rotation.New(c), secrets: s.secretARNs, logs: logs, metrics: measured}, nil
}

// kinds are the credential kinds to rotate, in order.
func kinds(s settings) (list []credential.Kind) {
	db := database.New(s.database)
	access := mautic.Access{Database: db, DatabaseDocuments: s.mautic.databaseDocuments, TablePrefix: s.mautic.tablePrefix, URL: s.mauticURL}
	for _, name := range offered {
		if !slices.Contains(s.kinds, name) {
			continue
		}
		switch name {
		case "database":
			list = append(list, db)
		case "smtp":
			list = append(list, smtp.New(s.smtp))
		case "api":
			list = append(list, mautic.NewAPI(mautic.APIConfig{Access: access, Overlap: s.mautic.apiOverlap}))
		case "admin":
			list = append(list, mautic.NewAdmin(mautic.AdminConfig{Access: access, HashCost: s.mautic.hashCost}))
		case "webhook":
			list = append(list, mautic.NewWebhook(mautic.WebhookConfig{Access: access, Hooks: s.mautic.hooks}))
		}
	}
	return list
}

const (
	// awsAttempts allows for throttling: Secrets Manager accepts 50 writes a second from the
	// whole account. The pauses between attempts add up to some 10 s.
	awsAttempts = 5
	// awsTimeout bounds one attempt. Without it, a subnet without a route to an endpoint would
	// silently use up the invocation's time.
	awsTimeout = 10 * time.Second
)
