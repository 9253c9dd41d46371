package ecs

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const (
	secretARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic/prod-AbCdEf"
	versionID = "00000000-0000-4000-8000-000000000001"
)

func TestSecretUse(t *testing.T) {
	t.Parallel()
	const none = "no container of task definition mautic reads it"
	tests := []struct {
		name, valueFrom  string
		problem, warning string
	}{
		{name: "the whole secret", valueFrom: secretARN},
		{name: "a key", valueFrom: secretARN + ":password::"},
		{name: "a key, without the colons", valueFrom: secretARN + ":password"},
		{name: "the current version by name", valueFrom: secretARN + ":password:AWSCURRENT:"},
		{name: "the ARN without its suffix", valueFrom: strings.TrimSuffix(secretARN, "-AbCdEf") + ":password::"},
		{name: "the secret's name", valueFrom: "mautic/prod"},
		{name: "a version id", valueFrom: secretARN + ":password::" + versionID,
			problem: `container app, variable DB_PASSWORD: valueFrom pins version id ` + versionID + `, which never follows a rotation: register a revision of task definition mautic with valueFrom "` + secretARN + `:password::"`},
		{name: "a version id of the whole secret", valueFrom: secretARN + ":::" + versionID,
			problem: `with valueFrom "` + secretARN + `" (`},
		{name: "a version id, without the suffix", valueFrom: strings.TrimSuffix(secretARN, "-AbCdEf") + ":::" + versionID, problem: "version id"},
		{name: "the previous version", valueFrom: secretARN + ":password:AWSPREVIOUS:", problem: "stage AWSPREVIOUS"},
		{name: "the pending version", valueFrom: secretARN + "::AWSPENDING:", problem: "stage AWSPENDING"},
		{name: "a label of one's own", valueFrom: secretARN + "::blue", problem: "stage blue"},
		{name: "another secret, pinned", valueFrom: "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-AbCdEf:::" + versionID, warning: none},
		{name: "another account", valueFrom: strings.Replace(secretARN, "123456789012", "210987654321", 1), warning: none},
		{name: "a secret with a longer name", valueFrom: "arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic/prod-blue-AbCdEf", warning: none},
		{name: "a parameter", valueFrom: "arn:aws:ssm:us-east-1:123456789012:parameter/mautic/prod", warning: none},
		{name: "not an ARN", valueFrom: "arn:aws", warning: none},
		{name: "nothing", valueFrom: "", warning: none},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			secrets := []types.Secret{{Name: aws.String("DB_PASSWORD"), ValueFrom: &test.valueFrom}}
			inContainer := types.ContainerDefinition{Name: aws.String("app"), Secrets: secrets}
			inLogDriver := types.ContainerDefinition{Name: aws.String("app"), LogConfiguration: &types.LogConfiguration{SecretOptions: secrets}}
			for _, container := range []types.ContainerDefinition{inContainer, inLogDriver} {
				problem, warning := secretUse(types.TaskDefinition{
					Family:               aws.String("mautic"),
					ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("sidecar")}, container},
				}, secretARN)
				says(t, "problem", problem, test.problem)
				says(t, "warning", warning, test.warning)
			}
		})
	}
}

func TestEveryContainerThatPinsAVersionIsNamed(t *testing.T) {
	t.Parallel()
	container := func(name, valueFrom string) types.ContainerDefinition {
		return types.ContainerDefinition{Name: &name, Secrets: []types.Secret{{Name: aws.String("DB_PASSWORD"), ValueFrom: &valueFrom}}}
	}
	problem, warning := secretUse(types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{
		container("app", secretARN+":password:AWSPREVIOUS:"), container("cron", secretARN+":password::"), container("worker", secretARN+":password::"+versionID),
	}}, secretARN)
	says(t, "warning", warning, "")
	says(t, "problem", problem, "container app,")
	says(t, "problem", problem, "container worker,")
	if problem != nil && strings.Contains(problem.Error(), "container cron,") {
		t.Errorf("cron pins nothing: %v", problem)
	}
}

func TestAPasswordInTheTaskDefinitionIsNoSecrets(t *testing.T) {
	t.Parallel()
	pair := func(name, value string) types.KeyValuePair { return types.KeyValuePair{Name: &name, Value: &value} }
	agent := types.ContainerDefinition{Name: aws.String("agent"), Secrets: []types.Secret{{Name: aws.String("KEY"), ValueFrom: aws.String(secretARN + ":agent_key::")}}}
	app := types.ContainerDefinition{Name: aws.String("app"), Environment: []types.KeyValuePair{pair("MAUTIC_DB_HOST", "db"), pair("MAUTIC_DB_PASSWORD", "literal-5f1c")}}
	for _, containers := range [][]types.ContainerDefinition{{app}, {app, agent}} {
		problem, warning := secretUse(types.TaskDefinition{Family: aws.String("mautic"), ContainerDefinitions: containers}, secretARN)
		says(t, "problem", problem, "")
		says(t, "warning", warning, "container app: the task definition contains the value of MAUTIC_DB_PASSWORD itself")
		if warning != nil && strings.Contains(warning.Error(), "5f1c") {
			t.Errorf("it shows the password: %v", warning)
		}
	}
}

func TestWhichContainersAreOfTheRoleOfCron(t *testing.T) {
	t.Parallel()
	role := func(value string) []types.KeyValuePair {
		return []types.KeyValuePair{{Name: aws.String("DOCKER_MAUTIC_ROLE"), Value: &value}}
	}
	secret := func(name string) []types.Secret {
		return []types.Secret{{Name: &name, ValueFrom: aws.String(secretARN + ":" + name + "::")}}
	}
	file := []types.EnvironmentFile{{Type: types.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::config/mautic.env")}}
	const perhaps = "container app may have the role mautic_cron (DOCKER_MAUTIC_ROLE comes from "
	for _, tc := range []struct {
		name      string
		container types.ContainerDefinition
		want      string
		found     bool
	}{
		{name: "no role", container: types.ContainerDefinition{Secrets: secret("MAUTIC_DB_PASSWORD")}},
		{name: "web", container: types.ContainerDefinition{Environment: role("mautic_web"), Secrets: secret("MAUTIC_DB_PASSWORD"), EnvironmentFiles: file}},
		{name: "cron", container: types.ContainerDefinition{Environment: role("mautic_cron")}, want: "container app has the role mautic_cron", found: true},
		{name: "a role from a secret", container: types.ContainerDefinition{Secrets: secret("DOCKER_MAUTIC_ROLE")}, want: perhaps + "a secret", found: true},
		{name: "a role from a secret, with the entry point", container: types.ContainerDefinition{Secrets: secret("DOCKER_MAUTIC_ROLE"), Command: []string{"echo BASH_ENV=/run/cron.env"}}, found: true},
		{name: "a role from a file", container: types.ContainerDefinition{Secrets: secret("MAUTIC_DB_PASSWORD"), EnvironmentFiles: file}, want: perhaps + "an environment file", found: true},
		{name: "a sidecar with a file", container: types.ContainerDefinition{Secrets: secret("AGENT_KEY"), EnvironmentFiles: file}},
	} {
		tc.container.Name = aws.String("app")
		warning, found := cronJobs(types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("sidecar")}, tc.container}})
		says(t, tc.name, warning, tc.want)
		if found != tc.found {
			t.Errorf("%s: found %v", tc.name, found)
		}
	}
}

func TestMutableImages(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	tests := map[string]string{
		"mautic/mautic:5-apache":          "container app runs mautic/mautic:5-apache: a forced",
		"mautic/mautic":                   "container app runs mautic/mautic: a forced",
		"registry:5000/mautic":            "container app runs registry:5000/mautic: a forced",
		"mautic/mautic" + digest:          "",
		"mautic/mautic:5-apache" + digest: "",
	}
	for image, want := range tests {
		says(t, image, mutableImages(types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{
			{Name: aws.String("app"), Image: &image}, {Name: aws.String("sidecar"), Image: aws.String("sidecar" + digest)},
		}}), want)
	}
}

func TestWithoutSuffix(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		secretARN:       strings.TrimSuffix(secretARN, "-AbCdEf"),
		"mautic-Ab_dEf": "mautic-Ab_dEf",
		"mautic-AbCdE":  "mautic-AbCdE",
		"short":         "short",
		"":              "",
	} {
		if got := withoutSuffix(arn); got != want {
			t.Errorf("%q: got %q, want %q", arn, got, want)
		}
	}
}

// says compares an error with what it is to contain, "" for none.
func says(t *testing.T, what string, got error, want string) {
	t.Helper()
	if (got == nil) != (want == "") || got != nil && !strings.Contains(got.Error(), want) {
		t.Errorf("%s: got %v, want %q", what, got, want)
	}
}
