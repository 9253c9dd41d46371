package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation/credential"
)

var _ credential.Retirer = (*Kind)(nil)

// MinOverlap is 0: only the services' tasks use the password.
func (k *Kind) MinOverlap() time.Duration { return 0 }

// Exclusive holds a lock at the server, for as long as the connection lives.
func (k *Kind) Exclusive(ctx context.Context, o credential.Overlap) (release func(), ok bool, err error) {
	current, old, err := k.overlap(ctx, o)
	if err != nil {
		return nil, false, err
	}
	s, _, err := k.enter(ctx, current, old)
	if err != nil {
		return nil, false, err
	}
	ok, err = s.lockEnd(ctx)
	if err != nil || !ok {
		s.Close()
		return nil, false, err
	}
	return s.Close, true, nil
}

func (s *session) lockEnd(ctx context.Context) (bool, error) {
	if err := s.boundWaits(ctx); err != nil {
		return false, err
	}
	return s.tryLock(ctx, "end", s.a.user, 0)
}

// Quarantine removes the old password from the account; open connections stay. The server forgets
// the password, but it can be restored from the old version of the secret. An account that
// accepts one password needs nothing. See credential.Retirer.
func (k *Kind) Quarantine(ctx context.Context, o credential.Overlap) error {
	current, old, err := k.distinct(ctx, o)
	if err != nil {
		return err
	}
	own, asCurrent, err := k.enter(ctx, current, old)
	if err != nil {
		return err
	}
	if !asCurrent {
		own.Close()
		o.Log.Info("the account accepts only one password, the old one: it is not retired before the current one is back")
		return nil
	}
	t, err := k.begin(ctx, own, o.Log)
	if err != nil {
		return err
	}
	defer t.close()
	if !t.way.dual() {
		o.Log.Info("nothing to retire: the account accepts only one password", "way", string(t.way))
		return nil
	}
	if has, err := t.mayHave(ctx, old); err != nil || !has {
		return err
	}
	_, err = t.takeAway(ctx, o, current, old)
	return err
}

// Restore makes the account accept the old password again, beside the current one. With a method
// that keeps one password it does nothing: the server accepts the current password, and replacing
// that would fail the application's new logins.
func (k *Kind) Restore(ctx context.Context, o credential.Overlap) error {
	current, old, err := k.overlap(ctx, o)
	if err != nil || current.password == old.password {
		return err
	}
	own, asCurrent, err := k.enter(ctx, current, old)
	if err != nil {
		return err
	}
	if !asCurrent {
		own.Close()
		return nil // the old one is what is accepted
	}
	t, err := k.begin(ctx, own, o.Log)
	if err != nil {
		return err
	}
	defer t.close()
	keeper, ok := t.changer().(keeper)
	if !ok {
		o.Log.Warn("the old password was not restored: the account accepts only one password, the current one", "way", string(t.way))
		return nil
	}
	if err := t.lock(ctx); err != nil {
		return err
	}
	return keeper.restore(ctx, t, current, old)
}

// Retire makes sure that the old password is gone, which takes nothing beyond the quarantine, and
// tries it: that costs one refused login. If the account accepts only one password, and it is the
// old one, from a rotation that was given up, Retire puts the current one back first.
func (k *Kind) Retire(ctx context.Context, o credential.Overlap) error {
	current, old, err := k.distinct(ctx, o)
	if err != nil {
		return err
	}
	dual, seenRefused, err := k.retire(ctx, o, current, old)
	if err != nil || seenRefused {
		return err
	}
	outcome, err := k.probeLogin(ctx, old)
	if outcome == credential.Accepted && !dual {
		return k.retireSecond(ctx, o, current, old)
	}
	return provenRefused(outcome, err)
}

// retire is one attempt of Retire. It reports whether the account accepts two passwords, and
// whether the old one was seen to be refused.
func (k *Kind) retire(ctx context.Context, o credential.Overlap, current, old account) (dual, seenRefused bool, err error) {
	t, err := k.reinstate(ctx, current, old, o.Confirm, o.Log)
	if err != nil {
		return false, false, err
	}
	defer t.close()
	if !t.way.dual() {
		return false, false, nil
	}
	seenRefused, err = t.takeAway(ctx, o, current, old)
	return true, seenRefused, err
}

func provenRefused(outcome credential.Outcome, err error) error {
	switch outcome {
	case credential.Denied:
		return nil
	case credential.Accepted:
		return errors.New("the old password is still accepted after it was retired")
	default:
		return fmt.Errorf("prove that the old password is refused: %w", err)
	}
}

// retireSecond removes a second password that an account has from a rotation with a different
// DATABASE_WAY.
func (k *Kind) retireSecond(ctx context.Context, o credential.Overlap, current, old account) error {
	const remedy = "the account accepts the old password beside the current one, from a rotation with a different DATABASE_WAY"
	own, err := k.login(ctx, current, "")
	if err != nil {
		return fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	}
	t, err := k.beginBy(ctx, auto, own, o.Log)
	if err != nil {
		return fmt.Errorf("%s: %w", remedy, err)
	}
	defer t.close()
	if !t.way.dual() {
		return fmt.Errorf("%s: have an administrator run ALTER USER … DISCARD OLD PASSWORD (MySQL), or give the account the one entry (MariaDB)", remedy)
	}
	if seenRefused, err := t.takeAway(ctx, o, current, old); err != nil || seenRefused {
		return err
	}
	return provenRefused(k.probeLogin(ctx, old))
}

// distinct is overlap for what retires the old password.
func (k *Kind) distinct(ctx context.Context, o credential.Overlap) (current, old account, err error) {
	current, old, err = k.overlap(ctx, o)
	if err == nil && current.password == old.password {
		err = errors.New("the old password is the current one, so it is not retired")
	}
	return current, old, err
}

// takeAway makes the server refuse the old password. It tries it first: the second slot may hold
// something else, which must stay. seenRefused reports that it was refused already, which costs
// one refused login. It holds the account's lock throughout, so no other rotation's set comes
// between.
func (t *turn) takeAway(ctx context.Context, o credential.Overlap, current, old account) (seenRefused bool, err error) {
	if err := t.lock(ctx); err != nil {
		return false, err
	}
	switch outcome, err := t.k.probeLogin(ctx, old); outcome {
	case credential.Denied:
		if !t.server.mariadb() || !t.server.several() {
			return true, nil
		}
		seenRefused = true // and the accounts for other hosts may accept it
	case credential.Accepted:
	default:
		return false, fmt.Errorf("find out whether the old password is accepted: %w", err)
	}
	// What the changers do guards against another password, and not against
	// AWSCURRENT having been moved back to the old one.
	if err := o.Confirm(ctx); err != nil {
		return false, err
	}
	keeper, ok := t.changer().(keeper)
	if !ok {
		return false, fmt.Errorf("DATABASE_WAY=%s has no old password to retire", t.way)
	}
	return seenRefused, keeper.takeAway(ctx, t, current, old)
}
