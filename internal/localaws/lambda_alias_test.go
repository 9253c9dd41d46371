package localaws_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
)

func (f *fixture) functions() *lambda.Client {
	return lambda.NewFromConfig(localtest.ClientConfig(f.Server))
}

func TestAnAliasIsInvokedByNameByQualifierAndByARN(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.Function(locallambda.Function{Name: "my-function"})
	made, err := f.functions().CreateAlias(f.Ctx, &lambda.CreateAliasInput{
		FunctionName: aws.String("my-function"), Name: aws.String("live"), FunctionVersion: aws.String("$LATEST"), Description: aws.String("in use"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.functions().GetAlias(f.Ctx, &lambda.GetAliasInput{FunctionName: &arn, Name: aws.String("live")})
	if err != nil || *got.AliasArn != arn+":live" || *made.AliasArn != *got.AliasArn || *got.FunctionVersion != "$LATEST" || *got.Description != "in use" {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, c := range map[string]struct {
		in   lambda.InvokeInput
		want string
	}{
		"unqualified":           {lambda.InvokeInput{FunctionName: aws.String("my-function")}, arn},
		"$LATEST":               {lambda.InvokeInput{FunctionName: aws.String("my-function"), Qualifier: aws.String("$LATEST")}, arn + ":$LATEST"},
		"by qualifier":          {lambda.InvokeInput{FunctionName: aws.String("my-function"), Qualifier: aws.String("live")}, arn + ":live"},
		"by name":               {lambda.InvokeInput{FunctionName: aws.String("my-function:live")}, arn + ":live"},
		"by ARN":                {lambda.InvokeInput{FunctionName: aws.String(arn + ":live")}, arn + ":live"},
		"by partial ARN":        {lambda.InvokeInput{FunctionName: aws.String("123456789012:function:my-function:live")}, arn + ":live"},
		"by name and qualifier": {lambda.InvokeInput{FunctionName: aws.String("my-function:live"), Qualifier: aws.String("live")}, arn + ":live"},
	} {
		c.in.Payload = []byte(`{"Do":"echo"}`)
		out, err := f.functions().Invoke(f.Ctx, &c.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var e echo
		if err := json.Unmarshal(out.Payload, &e); err != nil || e.ARN != c.want || *out.ExecutedVersion != "$LATEST" {
			t.Errorf("%s: the function was told %q, want %q (%v)", name, e.ARN, c.want, err)
		}
	}
}

func TestAnAliasThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	const prefix = "arn:aws:lambda:us-east-1:123456789012:function:"
	f.Handler(locallambda.Function{Name: "fn", Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil }})
	if _, err := f.Lambda.CreateAlias("fn", "live"); err != nil {
		t.Fatal(err)
	}
	_, err := f.functions().Invoke(f.Ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), Qualifier: aws.String("blue")})
	localtest.WantError(t, err, "ResourceNotFoundException", "Function not found: "+prefix+"fn:blue")
	_, err = f.functions().Invoke(f.Ctx, &lambda.InvokeInput{FunctionName: aws.String("fn:blue"), InvocationType: "Event"})
	localtest.WantError(t, err, "ResourceNotFoundException", "Function not found: "+prefix+"fn:blue")
	_, err = f.functions().Invoke(f.Ctx, &lambda.InvokeInput{FunctionName: aws.String("fn:live"), Qualifier: aws.String("blue")})
	localtest.WantError(t, err, "InvalidParameterValueException", "does not match the specified qualifier")
	_, err = f.functions().GetAlias(f.Ctx, &lambda.GetAliasInput{FunctionName: aws.String("fn"), Name: aws.String("blue")})
	localtest.WantError(t, err, "ResourceNotFoundException", "Cannot find alias arn: "+prefix+"fn:blue")
	create := &lambda.CreateAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live"), FunctionVersion: aws.String("$LATEST")}
	_, err = f.functions().CreateAlias(f.Ctx, create)
	localtest.WantError(t, err, "ResourceConflictException", "Alias already exists: "+prefix+"fn:live")
	create.Name, create.FunctionVersion = aws.String("next"), aws.String("7")
	_, err = f.functions().CreateAlias(f.Ctx, create)
	localtest.WantError(t, err, "ResourceNotFoundException", "Function not found: "+prefix+"fn:7")
	create.Name = aws.String("12")
	_, err = f.functions().CreateAlias(f.Ctx, create)
	localtest.WantError(t, err, "ValidationException", "regular expression")
}

func TestAHandlerLearnsWhatAnExecutableLearnsFromTheRuntime(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	var told lambdacontext.LambdaContext
	arn := f.Handler(locallambda.Function{Name: "fn", Handler: func(ctx context.Context, _ []byte) ([]byte, error) {
		if lc, ok := lambdacontext.FromContext(ctx); ok {
			told = *lc
		}
		return nil, nil
	}})
	result, err := f.Lambda.Invoke("fn", nil)
	if err != nil || told.InvokedFunctionArn != arn || told.AwsRequestID != result.RequestID {
		t.Errorf("%+v, %v", told, err)
	}
}

func TestAConfigurationTellsWhatTheFunctionWasMadeWith(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.Function(locallambda.Function{
		Name: "fn", Timeout: 90e9, MemorySize: 256, Env: map[string]string{"SECRET_ARNS": "arn:1,arn:2"}, LogGroup: "/mautic-rotation/stack", LogFormat: "JSON",
	})
	if _, err := f.Lambda.CreateAlias("fn", "live"); err != nil {
		t.Fatal(err)
	}
	out, err := f.functions().GetFunctionConfiguration(f.Ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live")})
	if err != nil {
		t.Fatal(err)
	}
	if *out.FunctionName != "fn" || *out.FunctionArn != arn+":live" || *out.Timeout != 90 || *out.MemorySize != 256 ||
		out.Environment.Variables["SECRET_ARNS"] != "arn:1,arn:2" || *out.LoggingConfig.LogGroup != "/mautic-rotation/stack" || out.LoggingConfig.LogFormat != "JSON" {
		t.Errorf("%+v %+v", out, out.LoggingConfig)
	}
	f.Handler(locallambda.Function{Name: "plain", Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil }})
	out, err = f.functions().GetFunctionConfiguration(f.Ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("plain")})
	if err != nil || *out.LoggingConfig.LogGroup != "/aws/lambda/plain" || out.Environment != nil || *out.Timeout != 3 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = f.functions().GetFunctionConfiguration(f.Ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("none")})
	localtest.WantError(t, err, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:123456789012:function:none")
}
