package smtp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

func untagged(s *setup) { s.user.Tags = nil }

func TestANewCredentialIsASecondAccessKeyAndItsPassword(t *testing.T) {
	f := newFixture(t)
	pending, err := f.generate(false)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := f.kind.Fields(pending)
	if err != nil || !f.documents[0].EqualOutside(pending, fields) {
		t.Errorf("other fields have changed, or %v", err)
	}
	made := f.aws.IAM.AccessKeys(user)[1]
	password, _ := pending.Text(RunbookLayout.Password)
	if f.keyOf(pending) != made.ID || password != smtpserver.Password(made.Secret, region) {
		t.Error("the document does not have the new key's id and password")
	}
	f.wantKeys(f.first.ID+" Active", made.ID+" Active")
	f.expect(credential.Accepted, f.documents[0], pending)
	if said := f.secrets.Text(made.Secret + " " + password); said != "[secret] [secret]" {
		t.Error("the scrubber does not know the key's secret, or its password")
	}
	if strings.Contains(pending.Raw(), made.Secret) {
		t.Error("the key's own secret is in the document")
	}
}

func TestNoKeyIsMadeWhereTheRotationCouldNotGoOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		given func(*fixture)
		want  []string
	}{
		{"another user's key", func(f *fixture) {
			f.documents[0] = f.documentAt(f.server.Port(), "AKIAIOSFODNN7EXAMPLE", "p")
		}, []string{"SMTP_IAM_USER", "AKIA…MPLE", "smtp_username"}},
		{"an inactive key", func(f *fixture) { f.switchOff(f.first.ID) }, []string{"is inactive", "--status Active"}},
		{"no such user", func(f *fixture) { f.kind.config.User = "nobody" }, []string{"no such user", "SMTP_IAM_USER"}},
		{"no region", func(f *fixture) { f.kind.config.Region = "" }, []string{"SMTP_REGION"}},
		{"not permitted to list", func(f *fixture) { f.refuse("ListAccessKeys") }, []string{"grant iam:ListAccessKeys", "user/mautic-smtp"}},
		{"not permitted to look at the tags", func(f *fixture) { f.refuse("GetUser") }, []string{"grant iam:GetUser"}},
		{"not permitted to make keys", func(f *fixture) { f.refuse("CreateAccessKey") }, []string{"grant iam:CreateAccessKey"}},
		{"IAM is not reached", func(f *fixture) {
			f.aws.Intercept(func(wire.Call) wire.Fault { return wire.Fault{KillBefore: true} })
		}, []string{"NAT gateway"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			c.given(f)
			_, err := f.generate(false)
			f.needs(err, c.want...)
			if len(f.keys()) != 1 {
				t.Errorf("keys: %q", f.keys())
			}
		})
	}
}

func TestALostKeyMakesRoomForANewOneIfTheUserIsTheSecrets(t *testing.T) {
	f := newFixture(t)
	lost := f.addKey()
	pending, err := f.generate(false)
	if err != nil {
		t.Fatal(err)
	}
	f.wantKeys(f.first.ID+" Active", f.keyOf(pending)+" Active")
	if !strings.Contains(f.log.String(), "deleted to make room") || !strings.Contains(f.log.String(), short(lost.ID)) {
		t.Errorf("the log does not tell of it: %s", f.log.String())
	}
}

func TestALostKeyStaysWhereTheUserMayBeSomebodyElses(t *testing.T) {
	f := newFixture(t, untagged)
	lost := f.addKey()
	_, err := f.generate(false)
	f.needs(err, lost.ID, user, "aws iam tag-user --user-name "+user, "Value="+ours)
	f.wantKeys(f.first.ID+" Active", lost.ID+" Active")
	if removed, err := f.kind.Sweep(f.ctx, f.ownership()); len(removed) > 0 || err != nil {
		t.Errorf("swept: %v, %v", removed, err)
	}
	f.wantKeys(f.first.ID+" Active", lost.ID+" Active")
}

func TestAnEmergencyTakesTheOldKeyOfAnOpenOverlapAway(t *testing.T) {
	f := newFixture(t)
	old := f.addKey()
	f.documents = append(f.documents, f.document(old))
	_, err := f.generate(false)
	f.needs(err, "release or abandon")
	f.wantKeys(f.first.ID+" Active", old.ID+" Active")
	f.moved = errors.New("AWSCURRENT has moved")
	if _, err := f.generate(true); !errors.Is(err, f.moved) {
		t.Errorf("a key is deleted that may have become AWSCURRENT's: %v", err)
	}
	f.wantKeys(f.first.ID+" Active", old.ID+" Active")
	f.moved = nil
	pending, err := f.generate(true)
	if err != nil {
		t.Fatal(err)
	}
	f.wantKeys(f.first.ID+" Active", f.keyOf(pending)+" Active")
	f.expect(credential.Denied, f.document(old))
}

func TestAReplyThatIsLostLeavesNoKeyBehindForGood(t *testing.T) {
	f := newFixture(t)
	f.aws.Intercept(func(c wire.Call) wire.Fault {
		return wire.Fault{LoseReply: c.Operation == "CreateAccessKey"}
	})
	_, err := f.generate(false)
	f.needs(err) // the SDK has asked twice, and there was room for one
	f.aws.Intercept(nil)
	lost := f.aws.IAM.AccessKeys(user)[1].ID
	pending, err := f.generate(false)
	if err != nil || f.keyOf(pending) == lost {
		t.Fatalf("the lost key is taken for the new one, or %v", err)
	}
	f.wantKeys(f.first.ID+" Active", f.keyOf(pending)+" Active")
}

func TestALostKeyIsSweptOnceItCannotBeOnItsWay(t *testing.T) {
	f := newFixture(t)
	if removed, err := f.kind.Sweep(f.ctx, f.ownership()); len(removed) > 0 || err != nil || f.calls() != 1 {
		t.Errorf("with one key: %v, %v, after %d calls", removed, err, f.calls())
	}
	lost := f.addKey()
	f.busy = true
	if removed, err := f.kind.Sweep(f.ctx, f.ownership()); len(removed) > 0 || err != nil {
		t.Errorf("while a rotation may store it: %v, %v", removed, err)
	}
	f.wantKeys(f.first.ID+" Active", lost.ID+" Active")
	f.aws.Clock().Advance(17 * time.Minute)
	removed, err := f.kind.Sweep(f.ctx, f.ownership())
	if want := []string{"access key " + short(lost.ID) + " of the IAM user " + user}; !slices.Equal(removed, want) || err != nil {
		t.Errorf("removed %q, %v", removed, err)
	}
	f.wantKeys(f.first.ID + " Active")
	if f.calls("UpdateAccessKey") != 1 {
		t.Error("it was not made inactive first")
	}
	f.expect(credential.Accepted, f.documents[0])
}

func TestWhatASweepMayNotTouch(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]func(*fixture){
		"keys that versions hold": func(f *fixture) { f.documents = append(f.documents, f.document(f.aws.IAM.AccessKeys(user)[1])) },
		"the keys of a user that the secret does not use": func(f *fixture) {
			f.documents = []document.Document{f.documentAt(1, "AKIAIOSFODNN7EXAMPLE", "p")}
		},
		"the keys of a user when the secret has no credential": func(f *fixture) { f.documents = []document.Document{parse(f.t, "{}")} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addKey()
			given(f)
			if removed, err := f.kind.Sweep(f.ctx, f.ownership()); len(removed) > 0 || err != nil || len(f.keys()) != 2 {
				t.Errorf("%v, %v, leaves %q", removed, err, f.keys())
			}
		})
	}
	t.Run("anything, while a version cannot be read", func(t *testing.T) {
		f := newFixture(t)
		f.addKey()
		unread := errors.New("not read")
		o := f.ownership()
		o.Stored = func(context.Context) (credential.Stored, error) { return credential.Stored{}, unread }
		if _, err := f.kind.Sweep(f.ctx, o); !errors.Is(err, unread) || len(f.keys()) != 2 {
			t.Errorf("%v, leaves %q", err, f.keys())
		}
	})
	t.Run("the keys of a user that is another secret's", func(t *testing.T) {
		f := newFixture(t, func(s *setup) { s.user.Tags[OwnerTag] = others })
		f.addKey()
		if removed, err := f.kind.Sweep(f.ctx, f.ownership()); len(removed) > 0 || err != nil || len(f.keys()) != 2 {
			t.Errorf("%v, %v, leaves %q", removed, err, f.keys())
		}
		f.deleteKey(f.aws.IAM.AccessKeys(user)[1].ID)
		_, err := f.generate(false)
		f.needs(err, "another secret", others)
	})
}
