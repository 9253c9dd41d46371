package mautic

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
)

// overlap is the one after a change was promoted.
func (f *fixture) overlap(c credential.Change) credential.Overlap {
	return credential.Overlap{Current: c.Pending, Old: c.Current, Confirm: func(context.Context) error { return nil }, Now: time.Now(), Log: f.logger()}
}

// caller goes on calling the API with a pair, as an integration does, until
// it is stopped.
type caller struct {
	calls   chan struct{} // one for each, as far as somebody listens
	failed  atomic.Int64
	stop    context.CancelFunc
	running sync.WaitGroup
}

// startCaller returns when the caller has made some calls.
func startCaller(f *fixture, mautic *site, p pair) *caller {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	c := &caller{calls: make(chan struct{}), stop: stop}
	c.running.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond) // leaves the processor to what is tested
		defer pace.Stop()
		for ctx.Err() == nil {
			token, err := mautic.token(ctx, p.String(), p.secret)
			if err == nil {
				err = mautic.callAPI(ctx, token)
			}
			if ctx.Err() != nil {
				return // stopped in the middle of it
			}
			if err != nil {
				c.failed.Add(1)
			}
			select {
			case c.calls <- struct{}{}:
			default:
			}
			<-pace.C
		}
	})
	c.more(f.t)
	return c
}

// more waits until the caller has made some calls from now on.
func (c *caller) more(t *testing.T) {
	t.Helper()
	for range 4 { // the first of which may have begun before
		select {
		case <-c.calls:
		case <-time.After(2 * time.Minute): // a busy machine takes seconds
			t.Fatal("the caller makes no calls")
		}
	}
}

func TestCallersOfTheOldPairAreServedUntilItIsRetired(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		access := f.withMautic(apiOn)
		k := NewAPI(APIConfig{Access: access, Overlap: time.Hour})
		mautic, err := access.site()
		if err != nil {
			f.t.Fatal(err)
		}
		c := f.apiChange(k)
		old, _ := k.pair(c.Current)
		o := f.overlap(c)
		caller := startCaller(f, mautic, old)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		if err := k.Test(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		caller.more(f.t)
		if use, err := k.InUse(f.t.Context(), o, time.Millisecond); err != nil || !use.Told || !strings.Contains(use.Seen, "access tokens were issued to the old API client 1_") {
			f.t.Errorf("the use is not seen: %+v, %v", use, err)
		}
		caller.stop()
		caller.running.Wait()
		if n := caller.failed.Load(); n > 0 {
			f.t.Errorf("%d calls with the old pair failed", n)
		}
		token, err := mautic.token(f.t.Context(), old.String(), old.secret)
		if err != nil {
			f.t.Fatal(err)
		}

		for range 2 {
			if err := k.Quarantine(f.t.Context(), o); err != nil {
				f.t.Fatal(err)
			}
		}
		f.expect(k, credential.Denied, c.Current)
		if err := mautic.callAPI(f.t.Context(), token); err != nil {
			f.t.Errorf("a token was ended that the quarantine should leave: %v", err)
		}
		for range 2 {
			if err := k.Restore(f.t.Context(), o); err != nil {
				f.t.Fatal(err)
			}
		}
		f.expect(k, credential.Accepted, c.Current, c.Pending)
		for range 2 {
			if err := k.Retire(f.t.Context(), o); err != nil {
				f.t.Fatal(err)
			}
		}
		f.expect(k, credential.Denied, c.Current)
		f.expect(k, credential.Accepted, c.Pending)
		f.needs(mautic.callAPI(f.t.Context(), token), "answers 401")
		if use, err := k.InUse(f.t.Context(), o, 0); err != nil || use.Seen != "" {
			f.t.Errorf("%+v, %v", use, err)
		}
		if k.MinOverlap() != time.Hour || NewAPI(APIConfig{}).MinOverlap() != 7*24*time.Hour {
			f.t.Error("the overlap is not what was set, or not 7 days")
		}
	})
}

func TestUseIsLookedForByAWSsClock(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		aws := time.Date(2035, 3, 1, 12, 0, 0, 0, time.UTC) // not the database's time
		var clock atomic.Int64
		options := apiOn
		options.Now = func() time.Time { return time.Unix(clock.Load(), 0) }
		access := f.withMautic(options)
		mautic, err := access.site()
		if err != nil {
			f.t.Fatal(err)
		}
		c := f.apiChange(NewAPI(APIConfig{Access: access}))
		for _, tc := range []struct {
			issued      time.Duration // after aws, by Mautic's clock
			overlap     time.Duration
			since       time.Duration // before aws; 0: not given
			quarantined bool
			seen        bool
		}{
			{issued: -23 * time.Hour, seen: true},
			{issued: -24*time.Hour - clockMargin/2, seen: true}, // or Mautic's clock is behind
			{issued: -25 * time.Hour},
			{issued: time.Second, seen: true},
			{issued: -time.Hour, overlap: time.Hour, seen: true},
			{issued: -time.Hour - time.Second, overlap: time.Hour}, // before the promotion
			{issued: time.Second, quarantined: true, seen: true},
			{issued: -clockMargin / 2, quarantined: true, seen: true},
			{issued: -2 * clockMargin, quarantined: true},
			{issued: -59 * time.Minute, since: time.Hour, seen: true},
			{issued: -61 * time.Minute, since: time.Hour}, // by a task that has stopped
			{issued: -23 * time.Hour, since: 7 * 24 * time.Hour, seen: true},
			{issued: -25 * time.Hour, since: 7 * 24 * time.Hour}, // by a caller that has the new pair by now
			{issued: -time.Hour, since: 2 * time.Hour, quarantined: true, seen: true},
			{issued: -2*time.Hour - clockMargin/2, since: 2 * time.Hour, quarantined: true, seen: true},
			{issued: -2*time.Hour - 2*clockMargin, since: 2 * time.Hour, quarantined: true},
		} {
			f.sql("DELETE FROM {oauth2_accesstokens}")
			clock.Store(aws.Add(tc.issued).Unix())
			if _, err := mautic.token(f.t.Context(), f.seed.PublicClientID(), f.seed.ClientSecret); err != nil {
				f.t.Fatal(err)
			}
			o := f.overlap(c)
			o.Now, o.Quarantined = aws, tc.quarantined
			if tc.since > 0 {
				o.Since = aws.Add(-tc.since)
			}
			use, err := NewAPI(APIConfig{Access: access, Overlap: tc.overlap}).InUse(f.t.Context(), o, 0)
			if err != nil || (use.Seen != "") != tc.seen || !use.Told || use.Gap != "" {
				f.t.Errorf("%+v: got %+v, %v", tc, use, err)
			}
		}
	})
}

func TestTakingAnAPIClientAwayComesRightAfterACutAtAnyPoint(t *testing.T) {
	onEachMake(t, func(f *fixture) {
		proxy, access := f.throughProxy()
		k, look := NewAPI(APIConfig{Access: access}), NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		o := f.overlap(c)
		anew := func() {
			f.sql("UPDATE {oauth2_clients} SET secret = ? WHERE id = 1", f.seed.ClientSecret)
			f.sql("REPLACE INTO {oauth2_accesstokens} (client_id, token, expires_at) VALUES (1, 'token', 1)")
			f.sql("REPLACE INTO {oauth2_refreshtokens} (client_id, user_id, token, expires_at) VALUES (1, 1, 'token', 1)")
		}
		currentWorks := func(string) { f.expect(look, credential.Accepted, c.Pending) }
		f.cutAtEveryCall(proxy, anew, func(ctx context.Context) error { return k.Retire(ctx, o) }, currentWorks)
		f.expect(look, credential.Denied, c.Current)
		if f.value("SELECT (SELECT COUNT(*) FROM {oauth2_accesstokens}) + (SELECT COUNT(*) FROM {oauth2_refreshtokens})") != "0" {
			f.t.Error("tokens are left")
		}
		retired := f.value("SELECT secret FROM {oauth2_clients} WHERE id = 1")
		f.cutAtEveryCall(proxy, func() { f.sql("UPDATE {oauth2_clients} SET secret = ? WHERE id = 1", retired) },
			func(ctx context.Context) error { return k.Restore(ctx, o) }, currentWorks)
		f.expect(look, credential.Accepted, c.Current)
	})
}

func TestWhatAnotherRotationHasSetIsNeitherTakenAwayNorRestoredOver(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		o := f.overlap(c)
		secret := "SELECT secret FROM {oauth2_clients} WHERE id = 1"

		o.Confirm = func(context.Context) error { return errors.New("a rotation is under way") }
		f.needs(k.Quarantine(f.t.Context(), o), "under way")
		f.needs(k.Retire(f.t.Context(), o), "under way")
		if f.value(secret) != f.seed.ClientSecret {
			f.t.Error("taken away")
		}
		o.Confirm = func(context.Context) error { return nil }

		// An emergency has put the old client to use again.
		f.sql("UPDATE {oauth2_clients} SET secret = 'OFANEMERGENCY' WHERE id = 1")
		if err := k.Quarantine(f.t.Context(), o); err != nil {
			f.t.Error(err)
		}
		f.needs(k.Restore(f.t.Context(), o), "so it is left")
		emergency := o
		emergency.Current = f.apiDoc(f.seed.PublicClientID(), "OFANEMERGENCY")
		f.sql("INSERT INTO {oauth2_accesstokens} (client_id, token, expires_at) VALUES (1, 'of the current client', 1)")
		if err := k.Retire(f.t.Context(), emergency); err != nil {
			f.t.Error(err)
		}
		f.needs(k.Restore(f.t.Context(), emergency), "one at a time")
		emergency.Old = emergency.Current
		f.needs(k.Quarantine(f.t.Context(), emergency), "is the current one")
		if f.value(secret) != "OFANEMERGENCY" || f.value("SELECT COUNT(*) FROM {oauth2_accesstokens}") != "1" {
			f.t.Error("what the emergency has set is gone, or its tokens are")
		}

		// A current pair that does not work: the old one is all there is.
		f.sql("UPDATE {oauth2_clients} SET secret = ? WHERE id = 1", f.seed.ClientSecret)
		f.sql("UPDATE {oauth2_clients} SET secret = 'lost' WHERE id > 1")
		f.needs(k.Quarantine(f.t.Context(), o), "the current one would not work")

		f.sql("DELETE FROM {oauth2_clients} WHERE id = 1")
		f.needs(k.Restore(f.t.Context(), o), "no API client 1_")
		if err := k.Retire(f.t.Context(), o); err != nil {
			f.t.Errorf("a client that is gone is refused: %v", err)
		}
	})
}

func TestAnEmergencyThatTakesTheOldClientBeforeItIsRetiredEndsItsTokens(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		first := f.apiChange(k)
		if err := k.Set(f.t.Context(), first); err != nil {
			f.t.Fatal(err)
		}
		f.sql("INSERT INTO {oauth2_accesstokens} (client_id, token, expires_at) SELECT id, CONCAT('token of ', id), 1 FROM {oauth2_clients}")
		back, err := k.Generate(f.t.Context(), credential.Generation{Current: first.Pending, Emergency: true})
		if err != nil {
			f.t.Fatal(err)
		}
		c := f.change(first.Pending, back)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		f.expect(k, credential.Denied, first.Current)
		f.expect(k, credential.Accepted, first.Pending, back)
		if f.value("SELECT COUNT(*) FROM {oauth2_accesstokens} WHERE client_id = 1") != "0" {
			f.t.Error("a token that was issued under the old secret is left")
		}
		f.sql("INSERT INTO {oauth2_accesstokens} (client_id, token, expires_at) VALUES (1, 'of a test', 1)")
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		if f.value("SELECT COUNT(*) FROM {oauth2_accesstokens}") != "2" {
			f.t.Error("a second attempt has ended a token of the pending pair, or the current one's")
		}
	})
}

func TestARotationThatWasGivenUpIsRetiredWhetherOrNotItWasSet(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.withMautic(apiOn)})
		c := f.apiChange(k)
		o := f.overlap(c)
		o.Current, o.Old = c.Current, c.Pending
		if err := k.Retire(f.t.Context(), o); err != nil {
			f.t.Errorf("before it was set: %v", err)
		}
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		if err := k.Retire(f.t.Context(), o); err != nil {
			f.t.Error(err)
		}
		f.expect(k, credential.Accepted, c.Current)
		f.expect(k, credential.Denied, c.Pending)
	})
}

func TestRetireSucceedsOnlyWhenItHasSeenTheRefusal(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		var broken atomic.Bool
		options := apiOn
		options.Wrap = answersInstead(http.StatusBadGateway, func(*http.Request) bool { return broken.Load() })
		k := NewAPI(APIConfig{Access: f.withMautic(options)})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		broken.Store(true)
		f.needs(k.Retire(f.t.Context(), f.overlap(c)), "prove that the old API client is refused", "502")
		broken.Store(false)
		if err := k.Retire(f.t.Context(), f.overlap(c)); err != nil {
			f.t.Error(err)
		}
	})
}

func TestOneInvocationAtATimeEndsAnOverlap(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		o := f.overlap(f.apiChange(k))
		release, ok, err := k.Exclusive(f.t.Context(), o)
		if err != nil || !ok {
			f.t.Fatal(ok, err)
		}
		if _, ok, err := k.Exclusive(f.t.Context(), o); err != nil || ok {
			f.t.Errorf("two at once: %v, %v", ok, err)
		}
		other := o
		other.Old = f.apiDoc("7_other", "x")
		if releaseOther, ok, err := k.Exclusive(f.t.Context(), other); err != nil || !ok {
			f.t.Errorf("another overlap has to wait: %v, %v", ok, err)
		} else {
			releaseOther()
		}
		release()
		// The server ends the lock when it notices that the connection is gone,
		// for which a busy machine takes a while.
		ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
		defer cancel()
		pace := time.NewTicker(10 * time.Millisecond) // each attempt is a login
		defer pace.Stop()
		for ok = false; !ok; <-pace.C {
			if release, ok, err = k.Exclusive(ctx, o); err != nil {
				f.t.Fatalf("waiting for the lock to be released: %v", err)
			}
		}
		release()
	})
}
