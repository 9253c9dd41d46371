package secretsmanager

import (
	"cmp"

	"mautic-rotation/internal/localaws/wire"
)

// API describes the operations for the wire.
func (c *Core) API() *wire.JSONService {
	return &wire.JSONService{
		Name:          "secretsmanager",
		Target:        "secretsmanager",
		MessageMember: "Message",
		Telling: []string{
			"Name", "ClientRequestToken", "VersionId", "VersionStage", "VersionStages", "MoveToVersionId", "RemoveFromVersionId",
			"RotateImmediately",
		},
		Audited: []string{
			"Tags", "TagKeys", "RotationLambdaARN", "RotationRules", "Description", "KmsKeyId", "RecoveryWindowInDays",
			"ForceDeleteWithoutRecovery", "Filters",
		},
		Operations: map[string]wire.Operation{
			"CancelRotateSecret":       wire.Handle(c.CancelRotateSecret),
			"CreateSecret":             wire.Handle(c.CreateSecret),
			"DeleteSecret":             wire.Handle(c.DeleteSecret),
			"DescribeSecret":           wire.Handle(c.DescribeSecret),
			"GetRandomPassword":        wire.Handle(c.GetRandomPassword),
			"GetSecretValue":           wire.Handle(c.GetSecretValue),
			"ListSecrets":              wire.Handle(c.ListSecrets),
			"ListSecretVersionIds":     wire.Handle(c.ListSecretVersionIDs),
			"PutSecretValue":           wire.Handle(c.PutSecretValue),
			"RestoreSecret":            wire.Handle(c.RestoreSecret),
			"RotateSecret":             wire.Handle(c.RotateSecret),
			"TagResource":              wire.Handle(c.TagResource),
			"UntagResource":            wire.Handle(c.UntagResource),
			"UpdateSecret":             wire.Handle(c.UpdateSecret),
			"UpdateSecretVersionStage": wire.Handle(c.UpdateSecretVersionStage),
		},
	}
}

// AccessRules say what IAM is asked about each operation.
func (c *Core) AccessRules() wire.Rules {
	onSecret := func(repeated ...string) wire.Rule {
		return wire.Rule{Resources: c.secretNamed, Keys: c.secretKeys(repeated...)}
	}
	return wire.Rules{
		"secretsmanager:CancelRotateSecret":       onSecret(),
		"secretsmanager:DeleteSecret":             onSecret(),
		"secretsmanager:DescribeSecret":           onSecret(),
		"secretsmanager:GetRandomPassword":        {Resources: wire.Everything},
		"secretsmanager:GetSecretValue":           onSecret("VersionId", "VersionStage"),
		"secretsmanager:ListSecrets":              {Resources: wire.Everything},
		"secretsmanager:ListSecretVersionIds":     onSecret(),
		"secretsmanager:PutSecretValue":           onSecret(),
		"secretsmanager:RestoreSecret":            onSecret(),
		"secretsmanager:RotateSecret":             onSecret("RotationLambdaARN"),
		"secretsmanager:TagResource":              onSecret(),
		"secretsmanager:UntagResource":            onSecret(),
		"secretsmanager:UpdateSecret":             onSecret("Description", "KmsKeyId"),
		"secretsmanager:UpdateSecretVersionStage": onSecret("VersionStage"),
	}
}

// secretNamed is the secret that the request is about. One that does not exist is asked for as the request writes it.
func (c *Core) secretNamed(m wire.Members) []string {
	id := m.First("SecretId")
	if found, ok := c.peek(id); ok {
		return []string{found.arn}
	}
	return []string{id}
}

// secretKeys are the keys that each action on a secret has, and besides those that repeat a member of the request.
func (c *Core) secretKeys(repeated ...string) func(wire.Members) map[string][]string {
	return func(m wire.Members) map[string][]string {
		keys := map[string][]string{"secretsmanager:SecretId": m["SecretId"]}
		if found, ok := c.peek(m.First("SecretId")); ok {
			// Set for good once rotation has been configured, whether or not it is on.
			if found.rotation.function != "" {
				keys["secretsmanager:resource/AllowRotationLambdaArn"] = []string{found.rotation.function}
			}
			keys["secretsmanager:SecretPrimaryRegion"] = []string{cmp.Or(found.primaryRegion, c.env.Account.Region)}
		}
		for _, name := range repeated {
			keys["secretsmanager:"+name] = m[name]
		}
		return keys
	}
}
