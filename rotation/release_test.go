package rotation_test

import (
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/localaws/wire"
)

// mayHaveLeaked gives an emergency up right before its promotion: the value that it was to
// replace stays AWSCURRENT, and is marked.
func (e *engine) mayHaveLeaked() {
	e.t.Helper()
	on := e.refuseMoves(promotion)
	e.fails(e.rotate("emergency."+uuid), "refused on purpose")
	on.Store(false)
	if err := e.abandon(); err != nil {
		e.t.Fatal(err)
	}
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=revoking") {
		e.t.Fatalf("the journal says %s", journal)
	}
}

const again = "emergency.9c11b2aa-5a0e-4d0c-9f57-0123456789ab"

func TestAReleaseDoesNotKeepAValueThatAnEmergencyIsReplacing(t *testing.T) {
	e := newEngine(t)
	e.mayHaveLeaked()
	released := false
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
		return wire.Fault{Before: func() {
			released = true
			if err := e.release(); err != nil {
				t.Error(err)
			}
		}}
	})
	e.mustRotateWith(again)
	if !released {
		t.Fatal("the moment did not come")
	}
	e.expect("database-2", "api-2", "admin-2")
}

func TestAReleaseThatComesLateDoesNotKeepAValueThatAnEmergencyIsReplacing(t *testing.T) {
	e := newEngine(t)
	e.mayHaveLeaked()
	// The release has read the labels, and writes its own only when the emergency has written
	// its own and is about to promote.
	about, written := make(chan struct{}), make(chan struct{})
	rotated := make(chan error, 1)
	var begin, promote, end sync.Once
	e.aws.Intercept(func(c wire.Call) wire.Fault {
		switch {
		case c.Operation != "UpdateSecretVersionStage":
		case strings.Contains(c.Detail, "=proven") && strings.Contains(c.Detail, "MoveToVersionId"):
			return wire.Fault{
				Before: func() {
					begin.Do(func() {
						go func() { rotated <- e.rotate(again) }()
						<-about
					})
				},
				After: func() { end.Do(func() { close(written) }) },
			}
		case strings.Contains(c.Detail, promotion):
			return wire.Fault{Before: func() { promote.Do(func() { close(about); <-written }) }}
		}
		return wire.Fault{}
	})
	if err := e.release(); err != nil {
		t.Log(err) // the reconcile that follows may be in the rotation's way
	}
	if err := <-rotated; err != nil {
		t.Fatal(err)
	}
	e.expect("database-2", "api-2", "admin-2")
}
