package rotation_test

import (
	"strings"
	"testing"

	"mautic-rotation/internal/localaws/wire"
)

// What counts as lost, of values that their target makes.

func TestNothingCountsAsLostWhileAVersionOfTheSecretCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]wire.Fault{
		"it may not be decrypted": {Error: &wire.Error{Code: "AccessDeniedException", Message: "kms:Decrypt", Status: 400}},
		"it seems to be missing":  {Error: &wire.Error{Code: "ResourceNotFoundException", Message: "not found", Status: 400}},
	} {
		t.Run(name, func(t *testing.T) {
			smtp := newIssuer()
			e := newEngine(t, smtp)
			e.mustRotate()
			e.services.stale = true // so that the old value is needed still
			old := e.version("AWSPREVIOUS").ID
			e.takeLabelOff("AWSPREVIOUS", old) // its overlap's label is the one that is left
			read := 0
			e.aws.Intercept(func(c wire.Call) wire.Fault {
				if c.Operation == "GetSecretValue" && strings.Contains(c.Detail, "VersionId="+old) {
					read++
					return fault
				}
				return wire.Fault{}
			})
			e.fails(e.reconcileWith(t.Context()), "read version "+old)
			if smtp.accepts() != "smtp-0 smtp-1" {
				t.Errorf("accepted are %s: what running tasks use was taken away as lost", smtp.accepts())
			}
			if read == 0 {
				t.Error("the version was not looked at")
			}
		})
	}
}

func TestAValueThatIsBeingStoredDoesNotCountAsLost(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	e.beforeCall("PutSecretValue", "", func() wire.Fault {
		e.reconcile() // a schedule ticks between the value's birth and its storage
		return wire.Fault{}
	})
	e.mustRotate()
	if smtp.accepts() != "smtp-0 smtp-1" || e.current(&smtp.target) != "smtp-1" {
		t.Errorf("accepted are %s, and AWSCURRENT stores %s", smtp.accepts(), e.current(&smtp.target))
	}
}
