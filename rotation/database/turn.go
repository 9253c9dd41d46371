package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
	"mautic-rotation/rotation/rds"
)

// A turn is everything needed to change one account's password once. Each method of Kind observes
// and chooses again, and keeps nothing: the method may differ from that of the step before, if a
// privilege or a setting has changed in between. That is safe, because no method relies on what
// another has done. Those that keep the old password fill the same two slots of the account under
// the same lock, and start from any state with the current password in one of them. Those that
// allow one password only ask which one is accepted.
type turn struct {
	k      *Kind
	way    way
	why    string
	server server

	own    *session // logged in as the account itself
	writer *session // makes the changes, and holds the lock: own, or an administrator's

	db     rds.Database // of the method rds
	policy policy       // of MariaDB
	taken  string       // a password that the server has taken in the rehearsal that chose the way; "" if there was none
	log    *slog.Logger
}

// A changer changes the password with one method. It is called with the lock held, and after the
// labels have been confirmed.
type changer interface {
	// set makes the account accept next. present is what own has logged in
	// with; a keeper makes the account accept it at every moment.
	set(ctx context.Context, t *turn, present, next account) error
}

// A keeper is a changer that can make the account accept two passwords.
type keeper interface {
	changer
	// takeAway makes the account accept only current. It accepts both now.
	takeAway(ctx context.Context, t *turn, current, old account) error
	// restore makes it accept old too. It accepts current now. restore fails if
	// another rotation has set its password in the meantime.
	restore(ctx context.Context, t *turn, current, old account) error
}

// changer is how the turn's method works on this server.
func (t *turn) changer() changer {
	switch {
	case t.way == byRDS:
		return rdsChanger{}
	case t.way == single:
		return singleChanger{}
	case t.swaps():
		return swapper{}
	default:
		return acceptor{}
	}
}

// swaps reports whether the account changes its own password with MySQL's compare-and-swap, which
// names no account and so changes only one.
func (t *turn) swaps() bool { return t.way == self && !t.server.mariadb() && !t.server.several() }

// begin inspects the session's server, and chooses the method. The turn owns the session from
// then on: it is closed if begin fails.
func (k *Kind) begin(ctx context.Context, own *session, log *slog.Logger) (*turn, error) {
	setting, err := parseWay(k.config.Way)
	if err != nil {
		own.Close()
		return nil, fmt.Errorf("DATABASE_WAY: %w", err)
	}
	return k.beginBy(ctx, setting, own, log)
}

func (k *Kind) beginBy(ctx context.Context, setting way, own *session, log *slog.Logger) (*turn, error) {
	t := &turn{k: k, own: own, writer: own, log: log}
	if err := t.find(ctx, setting); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *turn) find(ctx context.Context, setting way) (err error) {
	if err := t.own.boundWaits(ctx); err != nil {
		return err
	}
	if t.server, err = t.own.identify(ctx); err != nil {
		return err
	}
	o := observed{server: t.server, admin: t.k.config.Admin != nil, rds: t.k.config.RDS != nil}
	if setting == auto || setting == self {
		if o.mayKeep, err = t.rehearse(ctx); err != nil {
			return err
		}
	}
	t.way, t.why, err = choose(o, setting)
	if errors.Is(err, errAskRDS) {
		m := t.k.askRDS(ctx, t.own.a)
		o.master, t.db = &m, m.db
		t.way, t.why, err = choose(o, setting)
	}
	if err != nil {
		return err
	}
	if t.way == admin {
		if err := t.openAdmin(ctx); err != nil {
			return err
		}
	}
	if t.server.several() && !t.way.dual() {
		return t.server.notTogether()
	}
	if t.server.mariadb() && t.way != byRDS {
		if t.policy, err = t.own.policy(ctx); err != nil {
			return err
		}
		return t.checkEntries(ctx)
	}
	return nil
}

// tell logs the chosen method.
func (t *turn) tell() {
	t.log.Info("how the password is changed", "way", string(t.way), "why", t.why, "server", t.server.String())
	if warning := t.k.tlsWarning(); warning != nil {
		t.log.Warn(warning.Error())
	}
	if !t.way.dual() {
		t.log.Warn("the old password is refused as soon as the new one is set: "+gap, "way", string(t.way))
	}
	if !t.server.accountsKnown {
		t.log.Warn("cannot see whether the user exists for other hosts too, where its password would stay the same: "+grantToSeeAccounts, "account", t.server.account)
	}
	if t.policy.plain() && t.way != byRDS {
		t.log.Warn(plainWarning)
	}
}

func (t *turn) close() {
	t.own.Close()
	if t.writer != t.own {
		t.writer.Close()
	}
}

// lock holds the account's lock until the turn is closed.
func (t *turn) lock(ctx context.Context) error { return t.writer.lock(ctx, t.server.user()) }

// change makes the account accept next, by whoever is logged in with present.
func (t *turn) change(ctx context.Context, confirm func(context.Context) error, present, next account) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	// Under the lock: the rotation may have been given up while this waited,
	// and what was set of it taken away.
	if confirm != nil {
		if err := confirm(ctx); err != nil {
			return err
		}
	}
	return t.changer().set(ctx, t, present, next)
}

// rehearse checks whether the account may keep its old password beside a new one, and changes
// nothing.
func (t *turn) rehearse(ctx context.Context) (bool, error) {
	var err error
	switch {
	case !t.server.dual():
		return false, nil
	case t.server.mariadb(), t.server.several():
		// CURRENT_USER() in the place of the name would prove nothing: MariaDB
		// answers OK to that and does nothing.
		err = t.own.mayAlter(ctx, t.server)
	default:
		password := t.k.config.Passwords.Generate()
		err = t.own.rehearseSwap(ctx, swapStatement, password, t.k)
		if mysql.Is(err, mysql.PolicyRefuses) {
			return true, nil // the real password may fare better; else it fails, and says why
		}
		if err == nil {
			t.taken = password
		}
	}
	if mysql.Is(err, mysql.NoPrivilege) {
		return false, nil
	}
	return err == nil, explain(err, t.own.a)
}

// askRDS asks whether the account's user is a master user.
func (k *Kind) askRDS(ctx context.Context, a account) (m master) {
	if a.instance != "" {
		m.db, m.failure = k.config.RDS.Named(ctx, a.instance)
		m.found = true
	} else {
		_, host := a.dial()
		m.db, m.found, m.failure = k.config.RDS.AtHost(ctx, host)
	}
	m.user = m.failure == nil && m.found && m.db.MasterUser == a.user
	return m
}

// mayBeSingle reports, without a login, whether the account may be one that accepts a single
// password: only then is a refused AWSCURRENT no reason to stop.
func (k *Kind) mayBeSingle(ctx context.Context, a account) bool {
	if !k.singleEver() {
		return false
	}
	if way(k.config.Way) == single {
		return true
	}
	if k.config.RDS == nil {
		return false
	}
	m := k.askRDS(ctx, a)
	return m.problem(true) == nil
}

// singleEver is what can be said of that without asking anybody.
func (k *Kind) singleEver() bool {
	switch setting, err := parseWay(k.config.Way); {
	case err != nil:
		return false
	case setting == auto:
		return k.config.RDS != nil
	default:
		return !setting.dual()
	}
}

// enter logs in with the current password or, if the account accepts only one, with the other.
// That makes two refused logins at most.
func (k *Kind) enter(ctx context.Context, current, other account) (own *session, asCurrent bool, err error) {
	own, err = k.login(ctx, current, "")
	if err == nil {
		return own, true, nil
	}
	err = fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	if credential.OutcomeOf(err) != credential.Denied || !k.mayBeSingle(ctx, current) {
		return nil, false, err
	}
	own, otherErr := k.login(ctx, other, "")
	if otherErr != nil {
		return nil, false, fmt.Errorf("%w; log in with the other version's password: %w", err, otherErr)
	}
	return own, false, nil
}

// reinstate begins a turn with the current password. If only one password is accepted, and it is
// the other one, from a rotation that was given up or failed its test, the current one is put
// back first.
func (k *Kind) reinstate(ctx context.Context, current, other account, confirm func(context.Context) error, log *slog.Logger) (*turn, error) {
	// At most one change under way at RDS, one of our own, and the look at
	// what came of it.
	for range 3 {
		own, asCurrent, err := k.enter(ctx, current, other)
		if err != nil {
			return nil, err
		}
		t, err := k.begin(ctx, own, log)
		if err != nil {
			return nil, err
		}
		switch {
		case t.way == byRDS && t.db.PasswordPending:
			log.Info("RDS has a pending change of the password, after which another password may be accepted")
			err = k.config.RDS.Await(ctx, t.db, log)
		case asCurrent && t.way.dual():
			return t, nil
		case asCurrent:
			// Another invocation may have asked whether its rotation is still under way,
			// and be about to write: only under the lock it is known what is accepted.
			var outcome credential.Outcome
			if err = t.lock(ctx); err == nil {
				outcome, err = k.probeLogin(ctx, current)
			}
			switch outcome {
			case credential.Accepted:
				return t, nil
			case credential.Denied:
				err = nil // it has written: once more
			}
		default:
			if err = t.change(ctx, confirm, other, current); err == nil {
				log.Warn("the AWSCURRENT password was refused and is accepted again: it replaced the other version's", "way", string(t.way))
			}
		}
		t.close()
		if err != nil {
			return nil, fmt.Errorf("put the AWSCURRENT password back: %w", err)
		}
	}
	return nil, errors.New("put the AWSCURRENT password back: something else is changing the password at the same time: find out what, and try again")
}

// probeLogin logs in once.
func (k *Kind) probeLogin(ctx context.Context, a account) (credential.Outcome, error) {
	s, err := k.login(ctx, a, "")
	if err != nil {
		return credential.OutcomeOf(err), err
	}
	s.Close()
	return credential.Accepted, nil
}
