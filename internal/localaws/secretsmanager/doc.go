// Package secretsmanager stands in for AWS's Secrets Manager with its rotation service.
//
// What it does, it does as the service does: version labels and their budget, a pending version without a value, the four
// steps and the retry of all of them, schedules, reads that lag behind writes. Where AWS's behaviour is not documented or has
// been seen to differ, [Variants] switches between the possibilities; code under test has to be right with each.
//
// A [Core] is the service's state and rules. It needs no server, starts no goroutine and is deterministic. [StandIn] is a Core
// with what runs by itself around it: it invokes rotation functions, in the background and on schedule.
//
//	core := secretsmanager.NewCore(env, secretsmanager.Options{}, secretsmanager.Hooks{})
//	_, err := core.CreateSecret(ctx, secretsmanager.CreateSecretInput{Name: "s", SecretString: &text})
//	_, err = core.RotateSecret(ctx, secretsmanager.RotateSecretInput{SecretID: "s", RotationLambdaARN: function})
//	rotation := core.Rotation("s")
//	… createSecret, setSecret, testSecret, finishSecret, by calls of the core …
//	core.Conclude(rotation, core.Verify(rotation))
//
// What it does not do: nothing is persisted or encrypted, quotas on request rates do not exist, the recovery window of a
// deleted secret does not end, and replicas, resource policies and batch reads have no operations.
package secretsmanager
