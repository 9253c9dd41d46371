package rotation_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mautic-rotation/rotation"
)

// with stores the secret with another field in it, and returns the document.
func (e *engine) with(field string) string {
	e.t.Helper()
	value := strings.TrimSuffix(e.version("AWSCURRENT").Value, "}") + ", " + field + "}"
	e.store(value)
	return value
}

const copied = `"database_url": "mysql://database:d%61tabase-0@db/m?x=1", "nested": [{"dsn": "database:database-0@tcp(db)/m"}]`

// without is a document without what a rotation notes in it.
func without(value string) string {
	before, _, _ := strings.Cut(value, `, "rotated_at"`)
	return strings.TrimSuffix(before, "}") + "}"
}

func TestCopiesInOtherFieldsFollowTheCredential(t *testing.T) {
	e := newEngine(t)
	before := e.with(copied)
	e.mustRotateOnly("database")
	want := strings.NewReplacer("d%61tabase-0", "database-1", "database-0", "database-1").Replace(before)
	if got := without(e.version("AWSCURRENT").Value); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e.reconcile()
	e.expect("database-1", "api-0", "admin-0")
	if err := e.rotate("only.admin." + uuid[:35] + "f"); err != nil {
		t.Fatal(err)
	}
	if got := e.version("AWSCURRENT").Value; !strings.Contains(got, "mysql://database:database-1@db") {
		t.Errorf("the copy has followed a credential that was not rotated: %s", got)
	}
}

func TestARollbackGivesCopiesTheBytesThatTheyHad(t *testing.T) {
	e := newEngine(t)
	before := e.with(copied)
	id := e.version("AWSCURRENT").ID
	e.services.failing = true
	e.mustRotateOnly("database")
	e.reconcile()
	if now := e.version("AWSCURRENT"); now.Value != before || now.ID != id {
		t.Errorf("AWSCURRENT is %s: %s", now.ID, now.Value)
	}
}

func TestARollbackKeepsAnEditOfACopyAndHasItFollow(t *testing.T) {
	e := newEngine(t)
	before := e.with(copied)
	e.services.stale = true
	e.mustRotateOnly("database")
	e.store(strings.Replace(e.version("AWSCURRENT").Value, "@db/m?x=1", "@elsewhere/m", 1))
	e.services.stale, e.services.failing = false, true
	e.reconcile()
	want := strings.Replace(before, "d%61tabase-0@db/m?x=1", "database-0@elsewhere/m", 1)
	if got := without(e.version("AWSCURRENT").Value); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCopiesAreLeftWhereThatIsSet(t *testing.T) {
	e := newEngine(t)
	e.config.LeaveCopies = true
	e.Rotator = rotation.New(e.config)
	e.with(copied)
	if err := e.preflight(); err != nil {
		t.Error(err)
	}
	if log := e.log.String(); !strings.Contains(log, "/database_url, /nested/0/dsn: not changed, since FOLLOW_COPIES is false") {
		t.Error("the preflight does not name the copies")
	}
	e.mustRotateOnly("database")
	if got := e.version("AWSCURRENT").Value; !strings.Contains(got, copied) {
		t.Errorf("AWSCURRENT has %s", got)
	}
}

func TestThePreflightTellsWhichCopiesFollow(t *testing.T) {
	e := newEngine(t)
	e.with(copied + `, "cache": "redis://:database-0@cache", "literal": "database-0"`)
	if err := e.preflight(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"copies in other fields, which are updated with the credential: /database_url, /nested/0/dsn",
		"/cache, /literal: not changed, since the secret is not in a DSN or URL there, next to the user's name; if it is a copy, make its readers take it from /database instead",
	} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("the preflight does not say %s", want)
		}
	}
}

func TestACredentialThatCannotBeReadHidesNoOtherFindingOfThePreflight(t *testing.T) {
	e := newEngine(t)
	e.store(strings.Replace(e.version("AWSCURRENT").Value, `"database-0"`, `5`, 1))
	e.database.refuses = func(context.Context) error { return errors.New("it is no string") }
	e.admin.refuses = func(context.Context) error { return errors.New("the user is not published") }
	err := e.preflight()
	for _, want := range []string{"it is no string", "the user is not published"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q too", err, want)
		}
	}
}
