package smtp

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

func TestAnOldKeyIsSwitchedOffAndOnAndDeletedAnyNumberOfTimes(t *testing.T) {
	f := newFixture(t, func(s *setup) { s.aws = localaws.Options{IAMPropagation: 100 * time.Millisecond} })
	c := f.rotated()
	o := f.overlap(c)
	pending := f.keyOf(c.Pending)
	release, ok, err := f.kind.Exclusive(f.ctx, o)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	release()
	do := func(name string, step func(context.Context, credential.Overlap) error) {
		t.Helper()
		for range 2 {
			if err := step(f.ctx, o); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	do("quarantine", f.kind.Quarantine)
	f.wantKeys(f.first.ID+" Inactive", pending+" Active")
	do("restore", f.kind.Restore)
	f.wantKeys(f.first.ID+" Active", pending+" Active")
	do("retire", f.kind.Retire)
	f.wantKeys(pending + " Active")
	f.expect(credential.Denied, c.Current)
	f.expect(credential.Accepted, c.Pending)
	do("quarantine what is gone", f.kind.Quarantine)
	f.needs(f.kind.Restore(f.ctx, o), "the access key "+short(f.first.ID), "rotate")
	if f.kind.MinOverlap() != 0 || !f.kind.NeedsRestart() {
		t.Error("what uses the credential are the services' tasks")
	}
}

func TestNoKeyIsSwitchedOffBeforeTheCurrentOneIsProven(t *testing.T) {
	t.Parallel()
	moved := errors.New("AWSCURRENT has moved")
	for name, c := range map[string]struct {
		given func(*fixture, *credential.Overlap)
		want  string
	}{
		"the labels have moved": {func(_ *fixture, o *credential.Overlap) { o.Confirm = func(context.Context) error { return moved } }, moved.Error()},
		"the current one is inactive": {func(f *fixture, o *credential.Overlap) { f.switchOff(f.keyOf(o.Current)) },
			"the old access key stays"},
		"the current one is gone": {func(f *fixture, o *credential.Overlap) { f.deleteKey(f.keyOf(o.Current)) }, "the old access key stays"},
		"the current one does not log in": {func(f *fixture, o *credential.Overlap) {
			o.Current = f.documentAt(f.server.Port(), f.keyOf(o.Current), "wrong")
		}, "not seen to work"},
		"the server cannot be asked": {func(f *fixture, o *credential.Overlap) {
			o.Current = f.documentAt(closedPort(f.t), f.keyOf(o.Current), "p")
		}, "not seen to work"},
		"it may not be switched off": {func(f *fixture, _ *credential.Overlap) { f.refuse("UpdateAccessKey") }, "grant iam:UpdateAccessKey"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(s *setup) { s.config.Propagation = 10 * time.Millisecond })
			change := f.rotated()
			o := f.overlap(change)
			c.given(f, &o)
			f.needs(f.kind.Quarantine(f.ctx, o), c.want)
			f.needs(f.kind.Retire(f.ctx, o), c.want)
			f.expect(credential.Accepted, change.Current)
		})
	}
}

func TestTheCurrentKeyStaysWhateverTheDocumentsSay(t *testing.T) {
	f := newFixture(t)
	o := f.overlap(f.change(f.documentAt(f.server.Port(), f.first.ID, "wrong"), f.documents[0]))
	for _, step := range []func(context.Context, credential.Overlap) error{f.kind.Quarantine, f.kind.Retire, f.kind.Restore, f.kind.Quarantine} {
		if err := step(f.ctx, o); err != nil {
			t.Error(err)
		}
	}
	f.wantKeys(f.first.ID + " Active")
	f.expect(credential.Accepted, f.documents[0])
}

func TestAKeyIsRetiredOnlyWhenALoginWithItIsRefused(t *testing.T) {
	accept := func(string, string) bool { return true } // as if nothing had spread
	f := newFixture(t, func(s *setup) {
		s.smtp.Accept, s.config.Propagation = accept, 10*time.Millisecond
	})
	c := f.rotated()
	f.needs(f.kind.Retire(f.ctx, f.overlap(c)), "still accepts the old access key "+short(f.first.ID), "SMTP_IAM_USER")
	f.wantKeys(f.keyOf(c.Pending) + " Active")
	f.server.Intercept(func(c smtpserver.Command) smtpserver.Fault {
		if c.Verb == "AUTH" {
			return smtpserver.Fault{Refuse: smtpserver.TemporaryFailure}
		}
		return smtpserver.Fault{}
	})
	f.needs(f.kind.Retire(f.ctx, f.overlap(c)), "see the old credential refused", "454")
	f.server.Intercept(func(c smtpserver.Command) smtpserver.Fault {
		if c.Verb == "AUTH" {
			return smtpserver.Fault{Refuse: smtpserver.AuthenticationInvalid}
		}
		return smtpserver.Fault{}
	})
	if err := f.kind.Retire(f.ctx, f.overlap(c)); err != nil {
		t.Error(err)
	}
}

func TestAKeyThatWasUsedSinceTheConvergenceIsInUse(t *testing.T) {
	f := newFixture(t)
	o := f.overlap(f.rotated())
	f.aws.IAM.MarkKeyUsed(f.first.ID, "ses")
	now := f.aws.Clock().Now()
	for _, tc := range []struct {
		since       time.Time
		quarantined bool
		seen        bool
	}{
		{since: now.Add(-time.Minute), seen: true},
		{since: now.Add(-time.Minute), quarantined: true, seen: true},
		{since: now.Add(time.Minute)}, // by tasks that have stopped
		{},                            // from the call on
	} {
		o.Now, o.Since, o.Quarantined = now, tc.since, tc.quarantined
		use, err := f.kind.InUse(f.ctx, o, 0)
		if err != nil || (use.Seen != "") != tc.seen || use.Told || use.Gap != lateAndPartial {
			t.Errorf("%+v: got %+v, %v", tc, use, err)
		}
		if tc.seen && (!strings.Contains(use.Seen, "was used at 2") || !strings.Contains(use.Seen, ", for ses in ") || strings.Contains(use.Seen, f.first.ID)) {
			t.Errorf("got %q", use.Seen)
		}
	}
	o.Since = now.Add(-time.Minute)
	if use, err := f.kind.InUse(f.ctx, o, 24*time.Hour); err != nil || use.Seen == "" { // which would be waited for
		t.Errorf("got %+v, %v", use, err)
	}
}

func TestThatIAMHasSeenNoUseOfAKeyMeansLittle(t *testing.T) {
	f := newFixture(t)
	o := f.overlap(f.rotated())
	o.Since = f.aws.Clock().Now().Add(-time.Hour)
	inUse := func(ctx context.Context, gap string, want error) {
		t.Helper()
		began := time.Now()
		use, err := f.kind.InUse(ctx, o, 20*time.Millisecond)
		if use.Seen != "" || use.Told || !strings.Contains(use.Gap, gap) || !errors.Is(err, want) {
			t.Errorf("%+v, %v", use, err)
		}
		if want == nil && time.Since(began) < 20*time.Millisecond {
			t.Error("it did not wait for the application's health to show")
		}
	}
	inUse(f.ctx, lateAndPartial, nil)
	f.refuse("GetAccessKeyLastUsed")
	inUse(f.ctx, "its use was not observed: ", nil)
	inUse(f.ctx, "grant iam:GetAccessKeyLastUsed", nil)
	cancelled, cancel := context.WithCancel(f.ctx)
	cancel()
	inUse(cancelled, "", context.Canceled)
}

func TestAKeyThatIsDeletedOrStaysHasNoUseToBeSeen(t *testing.T) {
	f := newFixture(t)
	o := f.overlap(f.rotated())
	if err := f.kind.Retire(f.ctx, o); err != nil {
		t.Fatal(err)
	}
	same := o
	same.Old = o.Current
	for what, overlap := range map[string]credential.Overlap{"deleted": o, "the current one": same} {
		overlap.Since = f.aws.Clock().Now().Add(-time.Hour)
		if use, err := f.kind.InUse(f.ctx, overlap, 0); err != nil || !reflect.DeepEqual(use, credential.Use{Told: true}) {
			t.Errorf("%s: got %+v, %v", what, use, err)
		}
	}
}

func TestAnOverlapThatCannotBeReadIsLeftAlone(t *testing.T) {
	f := newFixture(t)
	for _, o := range []credential.Overlap{{Current: f.documents[0], Old: parse(t, "{}")}, {Current: parse(t, "{}"), Old: f.documents[0]}} {
		_, inUse := f.kind.InUse(f.ctx, o, 0)
		for _, err := range []error{inUse, f.kind.Quarantine(f.ctx, o), f.kind.Restore(f.ctx, o), f.kind.Retire(f.ctx, o)} {
			if !errors.Is(err, document.ErrMissing) {
				t.Errorf("got %v", err)
			}
		}
	}
}
