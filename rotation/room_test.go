package rotation_test

import (
	"strings"
	"testing"

	"mautic-rotation/rotation/document"
)

// A secret holds 65536 bytes.

// almostFull stores a document that leaves so much room.
func (e *engine) almostFull(fields string, room int) {
	e.t.Helper()
	const begin, end = `{"notes": "`, `", `
	e.store(begin + strings.Repeat("x", document.MaxBytes-room-len(begin)-len(end)-len(fields)) + end + fields)
}

func TestRoomIsLookedForBeforeATargetMakesAValue(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	e.almostFull(`"smtp": "smtp-0"}`, 150)
	e.fails(e.rotate(""), "the secret has no room for the new values")
	if smtp.made != 0 || smtp.accepts() != "smtp-0" {
		t.Errorf("%d values were made, accepted are %s", smtp.made, smtp.accepts())
	}
	e.nothingPending()

	// What the error says to do helps.
	e.almostFull(`"smtp": "smtp-0"}`, 150+42)
	e.mustRotate()
	if e.current(&smtp.target) != "smtp-1" {
		t.Errorf("AWSCURRENT stores %s", e.current(&smtp.target))
	}
}

func TestASecretWithoutRoomForTheBlockIsRefusedWithTheRemedy(t *testing.T) {
	e := newEngine(t)
	e.almostFull(`"admin": "admin-0"}`, 20)
	e.fails(e.rotate(""), "shorten the secret")
	e.nothingPending()
	e.expect("database-0", "api-0", "admin-0")
}
