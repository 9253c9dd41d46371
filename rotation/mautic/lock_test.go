package mautic

import (
	"context"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
)

// putBackBetween calls Set, and PutBack of the same change when Set has asked whether
// the rotation is still under way, and has not written yet.
func (f *fixture) putBackBetween(k credential.Target, c credential.Change) {
	f.t.Helper()
	done := make(chan error, 1)
	var once sync.Once
	set := c
	set.Confirm = func(ctx context.Context) error {
		once.Do(func() {
			go func() { done <- k.PutBack(ctx, c) }()
			for f.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ? AND STATE = 'User lock'", f.user) == "0" && len(done) == 0 {
				time.Sleep(time.Millisecond)
			}
		})
		return nil
	}
	if err := k.Set(f.t.Context(), set); err != nil {
		f.t.Error(err)
	}
	if err := <-done; err != nil {
		f.t.Error(err)
	}
}

func TestWhatIsSetAfterItsRotationWasGivenUpIsPutBack(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		c := f.adminChange()
		f.putBackBetween(f.admin(f.access()), c)
		if !f.accepts(f.seed.AdminPassword) {
			f.t.Error("the administrator's current password is refused")
		}
		f.putBackBetween(NewWebhook(WebhookConfig{Access: f.access()}), f.hookChange())
		if f.hookSecrets() != firstHookSecret+","+firstHookSecret {
			f.t.Error("the webhooks have the secret of a rotation that was given up")
		}
	})
}
