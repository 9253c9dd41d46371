package smtp

import (
	"context"
	"errors"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/credential"
)

func TestSetLeavesBothKeysAccepted(t *testing.T) {
	f := newFixture(t)
	c := f.rotated()
	pending := f.keyOf(c.Pending)
	before := f.calls("UpdateAccessKey")
	for range 2 {
		if err := f.kind.Set(f.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if f.calls("UpdateAccessKey") != before {
		t.Error("a key was written that was as it should be")
	}
	f.switchOff(pending)
	f.expect(credential.Denied, c.Pending)
	moved := errors.New("AWSCURRENT has moved")
	c.Confirm = func(context.Context) error { return moved }
	if err := f.kind.Set(f.ctx, c); !errors.Is(err, moved) {
		t.Errorf("written though the labels have moved: %v", err)
	}
	c.Confirm = nil
	if err := f.kind.Set(f.ctx, c); err != nil {
		t.Fatal(err)
	}
	f.wantKeys(f.first.ID+" Active", pending+" Active")
	f.expect(credential.Accepted, c.Current, c.Pending)
}

func TestSetTellsWhatNoRetryCanMend(t *testing.T) {
	f := newFixture(t)
	c := f.rotated()
	f.deleteKey(f.keyOf(c.Pending))
	err := f.kind.Set(f.ctx, c)
	if !errors.Is(err, credential.ErrLost) {
		t.Errorf("not said to be lost: %v", err)
	}
	f.needs(err, short(f.keyOf(c.Pending)), "rotate again")
	if n := f.calls("ListAccessKeys"); n < looks {
		t.Errorf("after %d looks, though lists may lag", n)
	}
}

func TestSetRefusesWhatIsNoSecondKeyOfTheSameServer(t *testing.T) {
	f := newFixture(t)
	c := f.rotated()
	fails := func(c credential.Change, texts ...string) {
		t.Helper()
		err := f.kind.Set(f.ctx, c)
		f.needs(err, texts...)
		if errors.Is(err, credential.ErrLost) {
			t.Error("said to be lost")
		}
	}
	fails(f.change(f.documentAt(2525, f.first.ID, "p"), c.Pending), "127.0.0.1:2525", "start a new rotation")
	fails(f.change(c.Current, f.documentAt(f.server.Port(), f.first.ID, "another")), "access key of AWSCURRENT")
	fails(f.change(c.Current, parse(t, "{}")), "AWSPENDING", "smtp_username")
	f.switchOff(f.first.ID)
	fails(c, "inactive")
	f.deleteKey(f.first.ID)
	fails(c, "SMTP_IAM_USER")
}

func TestPutBackSeesToItThatTheCurrentKeyIsAccepted(t *testing.T) {
	f := newFixture(t)
	c := f.rotated()
	if err := f.kind.PutBack(f.ctx, c); err != nil || f.calls("UpdateAccessKey") != 0 {
		t.Errorf("no more than a look: %v", err)
	}
	f.switchOff(f.first.ID)
	for range 2 {
		if err := f.kind.PutBack(f.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	f.expect(credential.Accepted, c.Current, c.Pending)

	// A server that cannot be asked is no reason not to roll back.
	unreachable := c
	unreachable.Current = f.documentAt(closedPort(t), f.first.ID, "p")
	if err := f.kind.PutBack(f.ctx, unreachable); err != nil {
		t.Error(err)
	}
	f.kind.config.Propagation = 0 // what is refused stays refused
	wrong := c
	wrong.Current = f.documentAt(f.server.Port(), f.first.ID, "wrong")
	f.needs(f.kind.PutBack(f.ctx, wrong), "535")
	f.deleteKey(f.first.ID)
	f.needs(f.kind.PutBack(f.ctx, c), "the access key "+short(f.first.ID))
	f.aws.Intercept(func(wire.Call) wire.Fault {
		return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Status: 403}}
	})
	f.needs(f.kind.PutBack(f.ctx, c), "grant iam:ListAccessKeys")
}
