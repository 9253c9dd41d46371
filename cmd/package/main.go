// Command package builds, from template.yaml and the function's binary, what can be
// deployed without the SAM CLI:
//
//	go run ./cmd/package -function build/bootstrap -bucket artifacts -out build/package
//
// It writes function.zip, the code, and template.yaml, which has no macro and refers to
// the code's place in S3, and prints the commands that come next.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mautic-rotation/internal/packaging"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bucketName is what S3 accepts, with placeholders for region and account.
var bucketName = regexp.MustCompile(`^[a-z0-9{][a-z0-9.{}-]{1,80}[a-z0-9}]$`)

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	template := flags.String("template", "template.yaml", "the SAM template")
	function := flags.String("function", "build/bootstrap", "the function's binary")
	bucket := flags.String("bucket", "", "the `bucket` for the code; {region} and {account} stand for the stack's own")
	key := flags.String("key", "", "the code's `key` in the bucket (default: one that changes with the code)")
	dir := flags.String("out", "build/package", "the `directory` to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !bucketName.MatchString(*bucket) {
		return errors.New("which bucket will the code be in? For example: make package BUCKET=mautic-rotation-artifacts")
	}
	text, err := os.ReadFile(*template)
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(*function)
	if err != nil {
		return err
	}
	zipped, err := packaging.Zip(binary)
	if err != nil {
		return err
	}
	code := packaging.Code{Bucket: *bucket, Key: cmp.Or(*key, packaging.Key(zipped))}
	plain, err := packaging.Transform(text, code)
	if err != nil {
		return fmt.Errorf("%s: %w", *template, err)
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	zipFile, templateFile := filepath.Join(*dir, "function.zip"), filepath.Join(*dir, "template.yaml")
	for file, content := range map[string][]byte{zipFile: zipped, templateFile: plain} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	made := made{zipFile, templateFile, len(zipped), len(plain), code, strings.TrimSuffix(code.Key, ".zip") + ".yaml"}
	if *key == "" {
		// This key changes with the template too, so that a tool that compares keys sees a new release.
		made.templateKey = strings.TrimSuffix(packaging.Key(plain), ".zip") + ".yaml"
	}
	_, err = io.WriteString(out, made.next())
	return err
}

// made is what was built to deploy.
type made struct {
	zipFile, templateFile string
	zipSize, templateSize int
	code                  packaging.Code
	templateKey           string
}

// next returns the commands that deploy it.
func (m made) next() string {
	bucket := strings.NewReplacer("{region}", "<region>", "{account}", "<account>").Replace(m.code.Bucket)
	where := ""
	if bucket != m.code.Bucket {
		where = ", once per region and account"
	}
	return fmt.Sprintf(`%[1]s  %[2]d kB
%[3]s  %[4]d kB, without a macro; its code is s3://%[5]s/%[6]s

Next, put both into the bucket%[7]s:
  aws s3 cp %[1]s s3://%[5]s/%[6]s
  aws s3 cp %[3]s s3://%[5]s/%[8]s

then deploy one stack:
  aws cloudformation deploy --stack-name mautic-secret-rotation-prod --template-file %[3]s --s3-bucket %[5]s --capabilities CAPABILITY_IAM --tags application=mautic environment=prod --parameter-overrides FunctionName=mautic-rotation-prod SecretArn=<the secret's ARN>

or a StackSet, from the organization's management account, and then a stack in each account:
  aws cloudformation create-stack-set --stack-set-name mautic-secret-rotation --permission-model SERVICE_MANAGED --auto-deployment Enabled=false --capabilities CAPABILITY_IAM --tags Key=application,Value=mautic --template-url https://%[5]s.s3.<region>.amazonaws.com/%[8]s --parameters ParameterKey=FunctionName,ParameterValue=mautic-rotation-prod

docs/many.md has the other parameters, the stacks in the accounts, Terraform and the CDK.
`, m.zipFile, m.zipSize/1000, m.templateFile, m.templateSize/1000, bucket, m.code.Key, where, m.templateKey)
}
