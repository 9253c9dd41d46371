package database

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
)

// A rate is how many logins were refused in some time.
type rate struct {
	refused int64
	over    time.Duration
}

// deviations is how many standard deviations above the usual rate still count as chance. A watch
// looks many times, and each look may err.
const deviations = 4

// exceeded reports whether so many refused logins within some time are more than
// the rate lets expect, and margin more than that.
//
// Refused logins are taken for a Poisson process: of those whose mean is m, the
// standard deviation is √m, and as m is itself estimated from a time that may be
// short, √(m·(1+within/over)). What fails regularly varies less than that, so the
// test errs towards letting something pass. That is its limit: beside a health
// check with a wrong password every 10 s (360 in an hour), 77 more refused logins
// in an hour are not noticed. Nor is a rate from months ago today's; a client that
// has only now begun to fail is taken for use of the old password, whoever it is.
func (r rate) exceeded(refused int64, within time.Duration, margin int64) bool {
	usual := r.usual(within)
	deviation := math.Sqrt(usual * (1 + within.Seconds()/r.seconds()))
	return float64(refused) > usual+float64(margin)+deviations*deviation
}

// usual is how many refused logins the rate predicts.
func (r rate) usual(within time.Duration) float64 {
	return float64(r.refused) * within.Seconds() / r.seconds()
}

// seconds is at least one: the servers count no less.
func (r rate) seconds() float64 { return max(1, r.over.Seconds()) }

// counters are what a server counts and everyone may see.
type counters struct {
	refused int64         // logins, since it began to count
	up      time.Duration // for how long it has counted
	server  string        // which one it is
}

// counters reads them. A connection that ends before it has tried to log in, such
// as a load balancer's port check, counts with the servers as an aborted one, too.
// MariaDB (10.4.5 and later) counts these a second time by themselves, so that they
// can be left out. FLUSH STATUS sets MariaDB's counters to 0, and not MySQL's.
func (s *session) counters(ctx context.Context, at server) (counters, error) {
	values := map[string]int64{}
	err := s.Rows(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Aborted_connects', 'Aborted_connects_preauth', 'Uptime', 'Uptime_since_flush_status')", nil,
		func(scan func(...any) error) error {
			var name string
			var value int64
			err := scan(&name, &value)
			values[name] = value
			return err
		})
	if err != nil {
		return counters{}, explain(err, s.a)
	}
	// A copy of a server may have its UUID.
	identity, up := "SELECT CONCAT_WS(' ', @@server_uuid, @@hostname, @@port)", values["Uptime"]
	if at.mariadb() {
		identity, up = "SELECT CONCAT_WS(' ', @@hostname, @@port, @@datadir, @@server_id)", values["Uptime_since_flush_status"]
	}
	var name string
	if err := s.Row(ctx, identity, nil, &name); err != nil {
		return counters{}, explain(err, s.a)
	}
	return counters{
		refused: values["Aborted_connects"] - values["Aborted_connects_preauth"],
		up:      time.Duration(up) * time.Second,
		server:  shortName(name),
	}, nil
}

// shortName is six characters of [0-9a-z] that stand for a name.
func shortName(name string) string {
	const length = 6
	sum := sha256.Sum256([]byte(name))
	digits := strconv.FormatUint(binary.BigEndian.Uint64(sum[:]), 36)
	return (strings.Repeat("0", length) + digits)[len(digits):]
}

// refusals is the witness if nothing shows who was refused: it compares the server's count with
// the rate from before the quarantine.
type refusals struct {
	*session
	comparison
	at     server
	untold string
}

// A comparison is what a count of refused logins is compared with.
type comparison struct {
	before rate
	from   int64         // the count when the time that is looked at began
	back   time.Duration // how long before the call that was
}

// strayRefusals is how many more refused logins than usual are no sign of use:
// one, which this function makes to prove that the old password is refused, and
// which counts when the invocation was cut off right after.
const strayRefusals = 1

// sameStart is how far two estimates of when a server started may differ: each is
// made from a time to the second, and from one that AWS told some time before.
const sameStart = time.Minute

// countRefusals also tells from when on the count covers the time since o.Since.
func (s *session) countRefusals(ctx context.Context, at server, o credential.Overlap, untold string) (r refusals, gap string, err error) {
	now, err := s.counters(ctx, at)
	if err != nil {
		return refusals{}, "", err
	}
	r = refusals{session: s, comparison: compare(now, o), at: at, untold: untold}
	if since := timeOf(o).Add(-r.back); !o.Since.IsZero() && r.back < timeOf(o).Sub(o.Since) {
		gap = "not observed before " + since.UTC().Format(time.RFC3339) + ": the server has restarted since the quarantine began, or another server has taken its place, or its counters were reset"
		if o.Before == nil {
			gap = "not observed before " + since.UTC().Format(time.RFC3339) + ": the number of refused logins from when the quarantine began is not known"
		}
	}
	return r, gap, nil
}

// compare chooses the rate from before the quarantine, if it is known and from this server, or
// otherwise from before the call.
func compare(now counters, o credential.Overlap) comparison {
	fromNow := comparison{before: rate{now.refused, now.up}, from: now.refused}
	if o.Before == nil || o.Since.IsZero() {
		return fromNow
	}
	before := rate{o.Before.Refused, o.Since.Sub(o.Before.Up)}
	quarantine := timeOf(o).Sub(o.Since)
	started := timeOf(o).Add(-now.up)
	switch {
	case now.server == o.Before.Server && started.Sub(o.Before.Up).Abs() <= sameStart && now.refused >= o.Before.Refused:
		return comparison{before: before, from: o.Before.Refused, back: quarantine}
	case now.up < quarantine: // all that it counts is since
		return comparison{before: before, from: 0, back: now.up}
	default:
		return fromNow
	}
}

func (r refusals) seen(ctx context.Context, watched time.Duration) (what string, from []string, err error) {
	now, err := r.counters(ctx, r.at)
	if err != nil {
		return "", nil, err
	}
	refused, within := now.refused-r.from, r.back+watched
	if refused < 0 { // it restarted while it was watched
		refused, within = now.refused, now.up
	}
	if !r.before.exceeded(refused, within, strayRefusals) {
		return "", nil, nil
	}
	return fmt.Sprintf("the server refused %d logins within %s, where %.0f are usual (it does not say whose: %s)", refused, roughly(within), r.before.usual(within), r.untold), nil, nil
}
