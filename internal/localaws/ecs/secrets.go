package ecs

import (
	"encoding/json"
	"fmt"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

// valueFrom is where a container's secret comes from.
type valueFrom struct {
	secret  string // ARN
	key     string // of the secret's JSON, "" for the whole value
	label   string
	version string
}

// parseValueFrom takes apart arn:aws:secretsmanager:region:account:secret:name-AbCdEf[:key[:label[:version]]].
func parseValueFrom(text string) (valueFrom, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 7 || len(parts) > 10 || parts[2] != "secretsmanager" || parts[5] != "secret" {
		return valueFrom{}, fmt.Errorf("invalid secret reference %q", text)
	}
	from := valueFrom{secret: strings.Join(parts[:7], ":")}
	for i, p := range parts[7:] {
		*[]*string{&from.key, &from.label, &from.version}[i] = p
	}
	if from.label != "" && from.version != "" {
		return valueFrom{}, fmt.Errorf("secret reference %q has a version stage and a version id", text)
	}
	return from, nil
}

// secretValue reads a container's secret, with a call to Secrets Manager that is recorded and intercepted like others.
func (s *StandIn) secretValue(t *task, reference string) (string, error) {
	from, err := parseValueFrom(reference)
	if err != nil {
		return "", err
	}
	var text *string
	err = s.calls.Inside(wire.Call{
		Service: "secretsmanager", Operation: "GetSecretValue", SecretID: from.secret, Caller: wire.Caller{Task: t.arn},
		Detail: strings.TrimSpace(from.label + " " + from.version),
	}, func() error {
		var err error
		text, err = s.secrets.SecretText(from.secret, from.label, from.version)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("execution resource retrieval failed: unable to retrieve secret from asm: %w", err)
	}
	if text == nil {
		return "", fmt.Errorf("execution resource retrieval failed: secret %s has no string value", from.secret)
	}
	if from.key == "" {
		return *text, nil
	}
	return jsonMember(*text, from.key)
}

// jsonMember picks a member of a secret's JSON. Members that are not strings become text as Go prints them: the ECS
// agent is a Go program.
func jsonMember(text, key string) (string, error) {
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return "", fmt.Errorf("retrieved secret from Secrets Manager is not a JSON object")
	}
	v, ok := members[key]
	if !ok {
		return "", fmt.Errorf("retrieved secret from Secrets Manager did not contain json key %s", key)
	}
	return fmt.Sprint(v), nil
}
