package ecs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// secretUse looks for a secret in a task definition's containers, their log
// drivers included. It is a problem when one reads a version that a rotation
// does not move on, and a warning when none reads the secret at all, or one has
// Mautic's database password in the task definition itself.
func secretUse(definition types.TaskDefinition, secretARN string) (problem, warning error) {
	var pins, literals []error
	read := false
	for _, container := range definition.ContainerDefinitions {
		if _, given := plain(container, passwordVariable); given {
			literals = append(literals, fmt.Errorf("container %s: the task definition has the value of %s itself (environment), which no rotation changes: register a revision of task definition %s that takes it from the secret (secrets, valueFrom) and deploy it",
				aws.ToString(container.Name), passwordVariable, aws.ToString(definition.Family)))
		}
		for _, secret := range secretsOf(container) {
			from := parseReference(aws.ToString(secret.ValueFrom))
			if !from.of(secretARN) {
				continue
			}
			read = true
			if pin := from.pin(); pin != "" {
				pins = append(pins, fmt.Errorf("container %s, variable %s: valueFrom pins %s: register a revision of task definition %s with valueFrom %q (the colons stay) and deploy it",
					aws.ToString(container.Name), aws.ToString(secret.Name), pin, aws.ToString(definition.Family), from.unpinned()))
			}
		}
	}
	if !read && len(literals) == 0 {
		return nil, fmt.Errorf("no container of task definition %s reads it, and a restart changes nothing: take the service out of ECS_SERVICES, or look for the credential as a literal in its configuration",
			aws.ToString(definition.Family))
	}
	return errors.Join(pins...), errors.Join(literals...)
}

// secretsOf are what a container reads, its log driver included.
func secretsOf(container types.ContainerDefinition) []types.Secret {
	if container.LogConfiguration == nil {
		return container.Secrets
	}
	return slices.Concat(container.Secrets, container.LogConfiguration.SecretOptions)
}

// reads tells whether a container of a task definition reads a secret.
func reads(definition types.TaskDefinition, secretARN string) bool {
	return slices.ContainsFunc(definition.ContainerDefinitions, func(c types.ContainerDefinition) bool {
		return slices.ContainsFunc(secretsOf(c), func(s types.Secret) bool {
			return parseReference(aws.ToString(s.ValueFrom)).of(secretARN)
		})
	})
}

// Mautic's official image takes its role from a variable. In the role of cron, its jobs
// get the variables of the file that BASH_ENV names in their crontab: in that file the
// image writes none but PHP's settings.
const (
	roleVariable = "DOCKER_MAUTIC_ROLE"
	cronRole     = "mautic_cron"
	jobsFile     = "BASH_ENV"
)

// cronJobs tells whether a container has the official image's role of cron, or may have
// it, and the warning that its jobs do not get its variables. An entry point or a command
// that mentions the file of the jobs' variables is taken to write them there.
func cronJobs(definition types.TaskDefinition) (warning error, found bool) {
	var without []error
	for _, container := range definition.ContainerDefinitions {
		has := cronRoleOf(container)
		if has == "" {
			continue
		}
		found = true
		if !strings.Contains(strings.Join(slices.Concat(container.EntryPoint, container.Command), " "), jobsFile) {
			without = append(without, fmt.Errorf("container %s %s: the cron of Mautic's image hands none of a container's variables to the jobs, so they log in with what config/local.php holds, and each fails once that is refused. "+
				"Give the container the entry point in docs/deploy.md, \"Cron jobs\"; if its image writes the variables into the file that %s names in the crontab, nothing has to be done", aws.ToString(container.Name), has, jobsFile))
		}
	}
	return errors.Join(without...), found
}

// cronRoleOf tells in words that a container has the role of cron, or may have it, since
// the role comes from where the function does not look; "" if it has another one. What
// the task definition itself gives goes before a file of variables.
func cronRoleOf(container types.ContainerDefinition) string {
	if role, given := plain(container, roleVariable); given {
		if role == cronRole {
			return "has the role " + cronRole
		}
		return ""
	}
	const perhaps = "may have the role " + cronRole + " (" + roleVariable + " comes from %s, which the function does not read)"
	switch {
	case fromSecret(container, roleVariable):
		return fmt.Sprintf(perhaps, "a secret")
	case len(container.EnvironmentFiles) > 0 && fromSecret(container, passwordVariable):
		return fmt.Sprintf(perhaps, "an environment file, it seems")
	}
	return ""
}

// passwordVariable is where Mautic takes its database password from, before any file.
const passwordVariable = "MAUTIC_DB_PASSWORD"

// plain is the value that a task definition itself gives a variable.
func plain(container types.ContainerDefinition, variable string) (value string, given bool) {
	for _, v := range container.Environment {
		if aws.ToString(v.Name) == variable {
			return aws.ToString(v.Value), true
		}
	}
	return "", false
}

// fromSecret tells whether a variable's value is a secret's.
func fromSecret(container types.ContainerDefinition, variable string) bool {
	return slices.ContainsFunc(container.Secrets, func(s types.Secret) bool { return aws.ToString(s.Name) == variable })
}

// mutableImages names the containers whose image is told by a tag: what a tag
// stands for is looked up again with each deployment.
func mutableImages(definition types.TaskDefinition) error {
	var tagged []string
	for _, container := range definition.ContainerDefinitions {
		if image := aws.ToString(container.Image); !strings.Contains(image, "@sha256:") {
			tagged = append(tagged, fmt.Sprintf("container %s runs %s", aws.ToString(container.Name), image))
		}
	}
	if len(tagged) == 0 {
		return nil
	}
	return fmt.Errorf("%s: a forced deployment pulls the tag again, and may ship another image: pin it by its digest (@sha256:…)",
		strings.Join(tagged, ", "))
}

// reference is a container secret's valueFrom:
//
//	arn:aws:secretsmanager:region:account:secret:name-AbCdEf:json-key:version-stage:version-id
//
// The last three parts may be empty, or be left out from the end. In place of
// the ARN there may be one without the six characters at its end, or a name.
type reference struct {
	secret, key, stage, version string
}

func parseReference(valueFrom string) reference {
	parts := strings.Split(valueFrom, ":")
	own := 1 // parts of the secret's name itself
	if parts[0] == "arn" {
		own = min(7, len(parts))
	}
	rest := slices.Concat(parts[own:], []string{"", "", ""})
	return reference{secret: strings.Join(parts[:own], ":"), key: rest[0], stage: rest[1], version: rest[2]}
}

// of tells whether the reference is to a secret, given by its whole ARN.
func (r reference) of(secretARN string) bool {
	if r.secret == "" {
		return false
	}
	partial := withoutSuffix(secretARN)
	name := partial[strings.LastIndex(partial, ":")+1:]
	return slices.Contains([]string{secretARN, partial, name}, r.secret)
}

// pin is the version that the reference holds on to, "" if it follows
// AWSCURRENT.
func (r reference) pin() string {
	switch {
	case r.version != "":
		return "version id " + r.version + ", which never follows a rotation"
	case r.stage != "" && r.stage != "AWSCURRENT":
		return "stage " + r.stage + ", which is not the current version"
	}
	return ""
}

// unpinned is the reference to the same value's current version.
func (r reference) unpinned() string {
	if r.key == "" {
		return r.secret
	}
	return r.secret + ":" + r.key + "::"
}

// withoutSuffix takes off the hyphen and the six letters or digits that Secrets
// Manager puts after a secret's name in its ARN.
func withoutSuffix(arn string) string {
	const length = len("-AbCdEf")
	if len(arn) < length {
		return arn
	}
	cut := len(arn) - length
	alphanumeric := func(c rune) bool {
		return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	}
	if arn[cut] != '-' || strings.ContainsFunc(arn[cut+1:], func(c rune) bool { return !alphanumeric(c) }) {
		return arn
	}
	return arn[:cut]
}
