package ecs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// secretUse looks for a secret in a task definition's containers, including their log drivers. It
// is a problem if one reads a version that does not follow rotations. It is a warning if none
// reads the secret, or if one has Mautic's database password in the task definition itself.
func secretUse(definition types.TaskDefinition, secretARN string) (problem, warning error) {
	var pins, literals []error
	read := false
	for _, container := range definition.ContainerDefinitions {
		if _, given := plain(container, passwordVariable); given {
			literals = append(literals, fmt.Errorf("container %s: the task definition contains the value of %s itself (environment), which no rotation changes: register a revision of task definition %s that takes it from the secret (secrets, valueFrom) and deploy it",
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
		return nil, fmt.Errorf("no container of task definition %s reads it, so a restart changes nothing: remove the service from ECS_SERVICES, or look for the credential as a literal in its configuration",
			aws.ToString(definition.Family))
	}
	return errors.Join(pins...), errors.Join(literals...)
}

// secretsOf returns what a container reads, including its log driver.
func secretsOf(container types.ContainerDefinition) []types.Secret {
	if container.LogConfiguration == nil {
		return container.Secrets
	}
	return slices.Concat(container.Secrets, container.LogConfiguration.SecretOptions)
}

// reads reports whether a container of a task definition reads a secret.
func reads(definition types.TaskDefinition, secretARN string) bool {
	return slices.ContainsFunc(definition.ContainerDefinitions, func(c types.ContainerDefinition) bool {
		return slices.ContainsFunc(secretsOf(c), func(s types.Secret) bool {
			return parseReference(aws.ToString(s.ValueFrom)).of(secretARN)
		})
	})
}

// Mautic's official image takes its role from a variable. In the role of cron, its jobs get their
// variables from the file that BASH_ENV names in their crontab, and the image writes only PHP's
// settings to that file.
const (
	roleVariable = "DOCKER_MAUTIC_ROLE"
	cronRole     = "mautic_cron"
	jobsFile     = "BASH_ENV"
)

// cronJobs reports whether a container has, or may have, the official image's role of cron, and
// warns that its jobs do not get its variables. If an entry point or a command mentions the jobs'
// variables file, it is assumed to write them there.
func cronJobs(definition types.TaskDefinition) (warning error, found bool) {
	var without []error
	for _, container := range definition.ContainerDefinitions {
		has := cronRoleOf(container)
		if has == "" {
			continue
		}
		found = true
		if !strings.Contains(strings.Join(slices.Concat(container.EntryPoint, container.Command), " "), jobsFile) {
			without = append(without, fmt.Errorf("container %s %s: the cron of Mautic's image passes none of a container's variables to its jobs, so they log in with what config/local.php holds, and fail once that is refused. "+
				"Give the container the entry point in docs/deploy.md, \"Cron jobs\"; if its image writes the variables into the file that %s names in the crontab, there is nothing to do", aws.ToString(container.Name), has, jobsFile))
		}
	}
	return errors.Join(without...), found
}

// cronRoleOf says that a container has the role of cron, or may have it because the role comes
// from a place that the function does not read; "" if it has another role. What the task
// definition sets itself overrides a file of variables.
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
		return fmt.Sprintf(perhaps, "an environment file, apparently")
	}
	return ""
}

// passwordVariable is where Mautic takes its database password from, before it looks at any file.
const passwordVariable = "MAUTIC_DB_PASSWORD"

// plain returns the value that a task definition itself gives a variable.
func plain(container types.ContainerDefinition, variable string) (value string, given bool) {
	for _, v := range container.Environment {
		if aws.ToString(v.Name) == variable {
			return aws.ToString(v.Value), true
		}
	}
	return "", false
}

// fromSecret reports whether a variable's value comes from a secret.
func fromSecret(container types.ContainerDefinition, variable string) bool {
	return slices.ContainsFunc(container.Secrets, func(s types.Secret) bool { return aws.ToString(s.Name) == variable })
}

// mutableImages names the containers whose image is referenced by a tag: each deployment resolves
// the tag again.
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
	return fmt.Errorf("%s: a forced deployment pulls the tag again and may ship a different image: pin it by its digest (@sha256:…)",
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

// of reports whether the reference is to a secret, given by its full ARN.
func (r reference) of(secretARN string) bool {
	if r.secret == "" {
		return false
	}
	partial := withoutSuffix(secretARN)
	name := partial[strings.LastIndex(partial, ":")+1:]
	return slices.Contains([]string{secretARN, partial, name}, r.secret)
}

// pin is the version that the reference is pinned to; "" if it follows AWSCURRENT.
func (r reference) pin() string {
	switch {
	case r.version != "":
		return "version id " + r.version + ", which never follows a rotation"
	case r.stage != "" && r.stage != "AWSCURRENT":
		return "stage " + r.stage + ", which is not the current version"
	}
	return ""
}

// unpinned is the reference to the same value in the current version.
func (r reference) unpinned() string {
	if r.key == "" {
		return r.secret
	}
	return r.secret + ":" + r.key + "::"
}

// withoutSuffix removes the hyphen and the six letters or digits that Secrets Manager adds to a
// secret's name in its ARN.
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
