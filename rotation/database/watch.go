package database

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
)

var _ credential.Baseliner = (*Kind)(nil)

// InUse asks the server who uses the old password. MySQL logs each login with an
// account's second password, and each refused one, where it may: see loginLog.
// Before the quarantine the former are use, after it the latter. Where the log
// does not tell, and on MariaDB, nothing shows before the quarantine, and after it
// the server's count of refused logins does: see refusals.
//
// An account that accepts one password has refused the old one since the new one
// was set, so there is no use to look for.
func (k *Kind) InUse(ctx context.Context, o credential.Overlap, watch time.Duration) (credential.Use, error) {
	t, err := k.observe(ctx, o)
	if err != nil {
		return credential.Use{}, err
	}
	if t == nil {
		return credential.Use{Gap: "the account accepts only the old password, so the function does not look for its use"}, nil
	}
	defer t.close()
	if !t.way.dual() {
		return credential.Use{Told: true}, nil
	}
	w, use, err := t.witness(ctx, o)
	if err != nil || w == nil {
		return use, err
	}
	use.Seen, use.From, err = lookFor(ctx, w, !o.Since.IsZero(), watch, cmp.Or(k.config.LookPause, DefaultLookPause))
	return use, err
}

// Baseline reads the server's count of refused logins. It is zero if the server's log shows use,
// or the account accepts one password.
func (k *Kind) Baseline(ctx context.Context, o credential.Overlap) (credential.Baseline, error) {
	t, err := k.observe(ctx, o)
	if err != nil || t == nil {
		return credential.Baseline{}, err
	}
	defer t.close()
	if !t.way.dual() {
		return credential.Baseline{}, nil
	}
	_, untold, err := t.tells(ctx)
	if err != nil || untold == "" {
		return credential.Baseline{}, err
	}
	now, err := t.own.counters(ctx, t.server)
	if err != nil {
		return credential.Baseline{}, err
	}
	return credential.Baseline{Refused: now.refused, Server: now.server, Up: timeOf(o).Add(-now.up).UTC().Truncate(time.Second)}, nil
}

// observe begins a turn as the account itself, with the current password; nil if the account
// accepts only the old one.
func (k *Kind) observe(ctx context.Context, o credential.Overlap) (*turn, error) {
	current, old, err := k.overlap(ctx, o)
	if err != nil {
		return nil, err
	}
	own, asCurrent, err := k.enter(ctx, current, old)
	if err != nil {
		return nil, err
	}
	if !asCurrent {
		own.Close()
		return nil, nil
	}
	return k.begin(ctx, own, quiet)
}

// timeOf is the time by AWS's clock, as far as it is known.
func timeOf(o credential.Overlap) time.Time {
	if o.Now.IsZero() {
		return time.Now()
	}
	return o.Now
}

// A witness reports what it knows about the old password's use, in the time that it looks back
// on, and in the time since the call.
type witness interface {
	seen(ctx context.Context, watched time.Duration) (what string, from []string, err error)
}

// tells reports whether the server's log can be read, and why it still does not show use of the
// old password; "" if it does.
func (t *turn) tells(ctx context.Context) (log bool, untold string, err error) {
	untold, err = t.own.untold(ctx, t.server)
	if err != nil || untold != "" {
		return false, untold, err
	}
	second, err := t.own.isSecond(ctx)
	if second {
		untold = untoldOfPrimary
	}
	return true, untold, err
}

// untoldOfPrimary is why the log is silent where the current password is the second
// one.
const untoldOfPrimary = "the old password is the account's primary one, as after a manual move of AWSCURRENT to an older version, and MySQL does not log logins with the primary one"

// witness chooses one; nil if nothing could show use.
func (t *turn) witness(ctx context.Context, o credential.Overlap) (w witness, use credential.Use, err error) {
	log, untold, err := t.tells(ctx)
	if err != nil {
		return nil, credential.Use{}, err
	}
	// By the quarantine the current password has become the primary one. That
	// there is a baseline says that use before it was not told.
	use.Told = untold == "" && (o.Before == nil || *o.Before == credential.Baseline{})
	switch {
	case untold != "" && !o.Quarantined:
		use.Gap = "its use was not observed: " + untold
		return nil, use, nil
	case log:
		w, use.Gap, err = t.own.readLog(ctx, o)
	default:
		w, use.Gap, err = t.own.countRefusals(ctx, t.server, o, untold)
	}
	return w, use, err
}

// lookFor asks a witness repeatedly until it has seen something: after the quarantine, whoever
// uses the old password is refused until then.
func lookFor(ctx context.Context, w witness, back bool, watch, pause time.Duration) (seen string, from []string, err error) {
	began := time.Now()
	if back {
		if seen, from, err = w.seen(ctx, 0); err != nil || seen != "" {
			return seen, from, err
		}
	}
	if watch <= 0 {
		return "", nil, nil
	}
	looks := max(1, int(watch/pause))
	for n := range looks {
		select {
		case <-time.After(time.Until(began.Add(watch * time.Duration(n+1) / time.Duration(looks)))):
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
		sofar := time.Since(began)
		if seen, from, err = w.seen(ctx, sofar); err != nil || seen != "" {
			return seen, from, err
		}
		if sofar >= watch {
			break // a look that takes longer than a pause makes the watch no longer
		}
	}
	return "", nil, nil
}

// client is an address that logins came from, and how many.
type client struct {
	address string
	logins  int64
}

// clientsNamed is how many clients are named.
const clientsNamed = 3

// name lists clients, the busiest first.
func name(clients []client) (text string, named []string) {
	for _, c := range clients[:min(len(clients), clientsNamed)] {
		named = append(named, c.address)
	}
	text = strings.Join(named, ", ")
	if more := len(clients) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text, named
}

// roughly is a duration for people.
func roughly(d time.Duration) time.Duration {
	if d >= time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
