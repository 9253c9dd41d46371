package plan

import (
	"errors"
	"fmt"

	"mautic-rotation/rotation/ledger"
)

// A Rotation is what the guard of a step needs to know.
type Rotation struct {
	Token    string      // the id of the version to rotate to
	Labelled bool        // that version has a staging label
	Pending  bool        // it has AWSPENDING
	Page     ledger.Page // what the ledger says of it
	Current  string      // the version that has AWSCURRENT; "": none has

	Enabled bool   // rotation is on
	Owner   string // the AWS service that rotates the secret itself; "": none does
}

// Promoted reports whether the rotation's version is AWSCURRENT.
func (r Rotation) Promoted() bool { return r.Current == r.Token }

// Guard decides whether a step may act for the rotation. Its error says why not, and what to do.
func Guard(r Rotation) error {
	switch {
	case r.Owner != "":
		return fmt.Errorf("the secret is owned by the service %s, which rotates it itself: turn off rotation by this function, and use that service's own rotation (for an RDS master user: aws rds modify-db-instance --rotate-master-user-password)",
			r.Owner)
	case !r.Enabled && r.Pending && !r.Promoted():
		return fmt.Errorf("rotation was turned off (cancel-rotate-secret) while version %s was AWSPENDING, which blocks every rotation: %s. Then turn rotation on again with `aws secretsmanager rotate-secret`; it takes the schedule as --rotation-rules", r.Token, howToStartAnew)
	case !r.Enabled:
		return errors.New("rotation is not enabled for the secret: turn it on with `aws secretsmanager rotate-secret --rotation-lambda-arn …`")
	case !r.Labelled:
		return fmt.Errorf("the secret has no version %s with a staging label: its rotation was given up or never started; start one with `aws secretsmanager rotate-secret`", r.Token)
	case wasRolledBack(r.Page):
		return fmt.Errorf("version %s was rolled back, and its rotation cannot continue: start a new one with `aws secretsmanager rotate-secret`", r.Token)
	case r.Current == "":
		return errors.New("the secret has no AWSCURRENT version: store a value in it first")
	case !r.Promoted() && !r.Pending:
		return fmt.Errorf("version %s is not AWSPENDING, so its rotation has been given up: start a new one with `aws secretsmanager rotate-secret`", r.Token)
	}
	return nil
}

// howToStartAnew is the remedy for a rotation that no retry can complete.
const howToStartAnew = "give this rotation up (mautic-rotation abandon)"

func wasRolledBack(page ledger.Page) bool {
	for _, e := range page.Entries {
		if e.State == ledger.RolledBack || e.State == ledger.Failed {
			return true
		}
	}
	return false
}
