package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestAnErrorTellsWhatItSaysOfTheValueHoweverItIsWrapped(t *testing.T) {
	denied := &Failure{Outcome: Denied, Problem: "the password is wrong", Remedy: "store the right one"}
	for _, tc := range []struct {
		err  error
		want Outcome
	}{
		{nil, Accepted},
		{io.EOF, Unknown},
		{denied, Denied},
		{fmt.Errorf("log in: %w", denied), Denied},
		{errors.Join(io.EOF, denied), Denied},
		{Failf(Unreachable, "log in to the database: %w", denied), Unreachable}, // who wraps it knows better
	} {
		if got := OutcomeOf(tc.err); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.err, got, tc.want)
		}
	}
}

func TestAFailureShowsItsProblemAndRemedyAndNotTheTextOfItsCause(t *testing.T) {
	cause := errors.New("you have an error near 'the password'")
	f := &Failure{Outcome: Unknown, Problem: "the server does not understand the statement", Remedy: "upgrade it", Cause: cause}
	if got := f.Error(); got != "the server does not understand the statement: upgrade it" {
		t.Errorf("got %q", got)
	}
	if !errors.Is(f, cause) {
		t.Error("the cause is lost")
	}
	if got := (&Failure{Problem: "it is broken"}).Error(); got != "it is broken" {
		t.Errorf("without a remedy: got %q", got)
	}
	if err := Failf(Locked, "account %s: %w", "a", io.EOF); err.Error() != "account a: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyAFailureThatSaysSoIsTemporary(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                       false,
		io.EOF:                    false,
		Failf(Unreachable, "x"):   false,
		&Failure{Outcome: Denied}: false,
		fmt.Errorf("again: %w", &Failure{Temporary: true}): true,
	} {
		if got := IsTemporary(err); got != want {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

func TestAFaultMayPassIfNothingInItIsAnAnswer(t *testing.T) {
	broken, refused := Failf(Unreachable, "the connection broke"), Failf(Unknown, "wrong password")
	busy := &Failure{Outcome: Unknown, Problem: "too many connections", Temporary: true}
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, false}, // of which nothing is known
		{broken, true},
		{busy, true},
		{refused, false},
		{Failf(Denied, "no"), false},
		{Failf(Locked, "locked"), false},
		{fmt.Errorf("open: %w", broken), true},
		{Failf(Unreachable, "open: %w", errors.Join(busy, broken)), true},
		{Failf(Unreachable, "open: %w", errors.Join(broken, refused)), false},
	} {
		if got := MayPass(tc.err); got != tc.want {
			t.Errorf("%v: got %v", tc.err, got)
		}
	}
}

func TestWithoutAConfirmFunctionEverythingIsConfirmed(t *testing.T) {
	if err := Confirmed(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := Confirmed(t.Context(), func(context.Context) error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestTheFirstProblemIsFoundAndWarningsAreNone(t *testing.T) {
	checks := []Check{{What: "a"}, {What: "b", Warning: io.EOF}, {What: "c", Problem: io.ErrUnexpectedEOF}, {What: "d", Problem: io.EOF}}
	if got := FirstProblem(checks); !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", got)
	}
	if got := FirstProblem(checks[:2]); got != nil {
		t.Errorf("got %v", got)
	}
}
