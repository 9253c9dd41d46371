package rotation_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestARotationThatHasNoRoomForItsLabelsChangesNothingAndItsRemedyHelps(t *testing.T) {
	e := newEngine(t)
	current := e.version("AWSCURRENT").ID
	// With AWSCURRENT and AWSPENDING that leaves three, of which two stay free.
	for n := range 15 {
		if _, err := e.secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
			SecretId: &e.arn, VersionStage: aws.String(fmt.Sprintf("mine-%d", n)), MoveToVersionId: &current,
		}); err != nil {
			t.Fatal(err)
		}
	}
	e.fails(e.rotate(""), "a rotation needs 1 more")
	e.expect("database-0", "api-0", "admin-0")
	e.takeLabelOff("mine-0", current)
	e.mustRotate()
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}
