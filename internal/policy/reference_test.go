package policy

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatAWSNeverMatchesOfAStatementIsTold(t *testing.T) {
	t.Parallel()
	reference, err := AWSReference()
	if err != nil || !strings.Contains(reference.Source, "service authorization reference") {
		t.Fatal(reference.Source, err)
	}
	const (
		secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic-AbCdEf"
		task   = "arn:aws:ecs:us-east-1:123456789012:task/mautic/*"
		key    = "arn:aws:kms:us-east-1:123456789012:key/1"
	)
	for _, tc := range []struct {
		actions, resources, key string
		want                    string // "": nothing
	}{
		{"secretsmanager:GetSecretValue secretsmanager:DescribeSecret", secret, "secretsmanager:resource/AllowRotationLambdaArn", ""},
		{"secretsmanager:GetSecretValue", "*", "aws:SourceArn", ""},
		{"kms:GenerateDataKey* kms:Decrypt", key, "kms:EncryptionContext:SecretARN", ""},
		{"ecs:DescribeTasks", task, "ecs:cluster", ""},
		{"secretsmanager:UntagResource", secret, "aws:TagKeys", ""},
		{"secretsmanager:GetSecretValues", secret, "", "there is no action secretsmanager:GetSecretValues"},
		{"secretsmanagers:GetSecretValue", secret, "", "there is no action secretsmanagers:GetSecretValue"},
		{"rds:Modify*", secret, "", `is for ["cluster" "cluster-pg" "og" "pg"], and not for`},
		{"ecs:ListTasks", task, "", `ecs:ListTasks is for ["container-instance"], and not for`},
		{"tag:GetResources", secret, "", `tag:GetResources is for [], and not for`},
		{"secretsmanager:GetSecretValue", secret + " " + task, "", `none of ["secretsmanager:GetSecretValue"] is for ` + task},
		{"secretsmanager:GetSecretValue", secret, "ecs:cluster", "secretsmanager:GetSecretValue has no condition key ecs:cluster"},
		{"secretsmanager:GetSecretValue", secret, "secretsmanager:RotationLambdaARN", "has no condition key secretsmanager:RotationLambdaARN"},
		{"iam:CreateAccessKey", "arn:aws:iam::123456789012:role/mautic", "", `iam:CreateAccessKey is for ["user"], and not for`},
	} {
		s := Statement{Sid: "S", Actions: strings.Fields(tc.actions), Resources: strings.Fields(tc.resources)}
		if tc.key != "" {
			s.Conditions = []Condition{{"StringEquals", tc.key, []string{"v"}}}
		}
		got := strings.Join(reference.Faults(Policy{Statements: []Statement{s}}), "\n")
		if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", fmt.Sprint(s), got, tc.want)
		}
	}
}
