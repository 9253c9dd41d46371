package mautic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

func (f *fixture) apiDoc(client, secret string) document.Document {
	f.t.Helper()
	return f.doc(fmt.Sprintf(`"api_keys": {"mautic_api_key": %q, "mautic_api_client_id": %q}`, secret, client))
}

// firstClient is the document with the seed's client.
func (f *fixture) firstClient() document.Document {
	f.t.Helper()
	return f.apiDoc(f.seed.PublicClientID(), f.seed.ClientSecret)
}

// apiChange is one that Generate has made.
func (f *fixture) apiChange(k *API) credential.Change {
	f.t.Helper()
	current := f.firstClient()
	pending, err := k.Generate(f.t.Context(), credential.Generation{Current: current})
	if err != nil {
		f.t.Fatal(err)
	}
	if !current.EqualOutside(pending, []document.Pointer{RunbookAPILayout.Key, RunbookAPILayout.ClientID}) {
		f.t.Error("other fields have changed")
	}
	return f.change(current, pending)
}

// expect fails unless a probe of each document has the outcome.
func (f *fixture) expect(k credential.Kind, want credential.Outcome, documents ...document.Document) {
	f.t.Helper()
	for _, d := range documents {
		if got, err := k.Probe(f.t.Context(), d); got != want {
			f.t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

var apiOn = mauticserver.Options{APIEnabled: true}

func TestTwoAPIClientsAlternate(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.withMautic(apiOn)})
		first := f.apiChange(k)
		for range 2 {
			if err := k.Set(f.t.Context(), first); err != nil {
				f.t.Fatal(err)
			}
		}
		if err := k.Test(f.t.Context(), first); err != nil {
			f.t.Error(err)
		}
		if err := k.PutBack(f.t.Context(), first); err != nil {
			f.t.Error(err)
		}
		f.expect(k, credential.Accepted, first.Current, first.Pending)
		row := "SELECT CONCAT_WS(' ', role_id, redirect_uris, allowed_grant_types) FROM {oauth2_clients} WHERE "
		if f.value(row+"id = 1") != f.value(row+"id > 1") || f.value("SELECT name FROM {oauth2_clients} WHERE id > 1") != "integration (rotation)" {
			f.t.Error("the standby is not like the first client")
		}
		if err := k.Retire(f.t.Context(), f.overlap(first)); err != nil {
			f.t.Fatal(err)
		}
		f.expect(k, credential.Denied, first.Current)

		// The second rotation comes back to the first client, whatever it is
		// called now.
		f.sql("UPDATE {oauth2_clients} SET name = CONCAT('renamed ', id), role_id = 2 WHERE id > 1")
		back, err := k.Generate(f.t.Context(), credential.Generation{Current: first.Pending})
		if err != nil {
			f.t.Fatal(err)
		}
		if client, _ := back.Text(RunbookAPILayout.ClientID); client != f.seed.PublicClientID() {
			f.t.Errorf("the standby is %s, want the first client", client)
		}
		second := f.change(first.Pending, back)
		if err := k.Set(f.t.Context(), second); err != nil {
			f.t.Fatal(err)
		}
		f.expect(k, credential.Accepted, first.Pending, back)
		if f.value("SELECT COUNT(*) FROM {oauth2_clients}") != "2" || f.value("SELECT role_id FROM {oauth2_clients} WHERE id = 1") != "2" {
			f.t.Error("a third client, or not the role of the one that was in use")
		}
	})
}

func TestTheStandbyIsTheSameHoweverOftenItIsGenerated(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		one, other := f.apiChange(k), f.apiChange(k)
		if f.value("SELECT COUNT(*) FROM {oauth2_clients}") != "1" {
			f.t.Fatal("Generate has changed something")
		}
		// Other clients come in between, in the way that Mautic makes them.
		for range 3 {
			f.sql("INSERT INTO {oauth2_clients} (role_id, name, random_id, secret, redirect_uris, allowed_grant_types) VALUES (1, 'integration (rotation)', ?, 'theirs', '', '')", rand.Text())
		}
		if err := k.Set(f.t.Context(), one); err != nil {
			f.t.Fatal(err)
		}
		// The first one was given up: a new one takes its standby.
		a, _ := k.pair(one.Pending)
		again, _ := k.pair(f.apiChange(k).Pending)
		if a.clientID != again.clientID || a.secret == again.secret {
			f.t.Errorf("got %s, then %s", a, again)
		}
		if b, _ := k.pair(other.Pending); b.random != a.random {
			f.t.Error("two random ids for one standby")
		} else if b.id != a.id {
			f.needs(k.Set(f.t.Context(), other), "another rotation", "start a new rotation")
		}
		if f.value("SELECT COUNT(*) FROM {oauth2_clients} WHERE secret = 'theirs'") != "3" {
			f.t.Error("a client of somebody else's has changed")
		}
	})
}

func TestAnIDThatSomebodyElseHasTakenIsLeftToThem(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		standby, _ := k.pair(c.Pending)
		f.sql("INSERT INTO {oauth2_clients} (id, name, random_id, secret, redirect_uris, allowed_grant_types) VALUES (?, 'x', 'theirs', 'theirs', '', '')", standby.id)
		f.needs(k.Set(f.t.Context(), c), "now belongs to another client", "start a new rotation")
		if f.value("SELECT secret FROM {oauth2_clients} WHERE id = ?", standby.id) != "theirs" {
			f.t.Error("overwritten")
		}
		f.expect(k, credential.Accepted, c.Current)
		f.sql("INSERT INTO {oauth2_clients} (name, random_id, secret, redirect_uris, allowed_grant_types) VALUES ('x', ?, '', '', ''), ('y', ?, '', '', '')", standby.random, standby.random)
		_, err := k.Generate(f.t.Context(), credential.Generation{Current: c.Current})
		f.needs(err, "several standby clients")
	})
}

func TestSettingAnAPIClientComesRightAfterACutAtAnyPoint(t *testing.T) {
	onEachMake(t, func(f *fixture) {
		proxy, access := f.throughProxy()
		k, look := NewAPI(APIConfig{Access: access}), NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		standby, _ := k.pair(c.Pending)
		oldWorks := func(when string) {
			if outcome, err := look.Probe(f.t.Context(), c.Current); outcome != credential.Accepted {
				f.t.Fatalf("%s the old pair is not accepted: %v", when, err)
			}
		}
		set := func(ctx context.Context) error { return k.Set(ctx, c) }
		f.cutAtEveryCall(proxy, func() { f.sql("DELETE FROM {oauth2_clients} WHERE id > 1") }, set, oldWorks)
		f.expect(look, credential.Accepted, c.Pending)
		f.cutAtEveryCall(proxy, func() {
			f.sql("UPDATE {oauth2_clients} SET secret = 'of before', role_id = NULL WHERE id = ?", standby.id)
		}, set, oldWorks)
		f.expect(look, credential.Accepted, c.Pending)
	})
}

func TestTwoSetsOfAnAPIClientAtOnceBothSucceed(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		for err := range atOnce(4, func() error { return k.Set(f.t.Context(), c) }) {
			if err != nil {
				f.t.Error(err)
			}
		}
		f.expect(k, credential.Accepted, c.Current, c.Pending)
		if f.value("SELECT COUNT(*) FROM {oauth2_clients}") != "2" {
			f.t.Error("not one standby")
		}
	})
}

func TestAnAPIClientThatCannotBeRotatedIsRefusedBeforeAnythingChanges(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		generate := func(d document.Document) error {
			_, err := k.Generate(f.t.Context(), credential.Generation{Current: d})
			return err
		}
		f.needs(generate(f.apiDoc("1_another", "x")), "no API client 1_another", "Settings, API Credentials")
		f.needs(generate(f.apiDoc("one", "x")), "/api_keys/mautic_api_client_id", "public key")
		f.needs(k.Set(f.t.Context(), f.change(f.apiDoc("1_another", "x"), c.Pending)), "not the standby")
		f.needs(k.Set(f.t.Context(), f.change(c.Current, c.Current)), "not the standby")
		c.Confirm = func(context.Context) error { return errors.New("AWSCURRENT has moved") }
		f.needs(k.Set(f.t.Context(), c), "AWSCURRENT has moved")
		f.sql("UPDATE {oauth2_clients} SET role_id = NULL")
		f.needs(generate(c.Current), "no role")
		f.sql("UPDATE {oauth2_clients} SET role_id = 1")
		f.grantOnly("SELECT, UPDATE ON {oauth2_clients}", "SELECT, DELETE ON {oauth2_accesstokens}", "SELECT ON {oauth2_refreshtokens}")
		f.needs(generate(c.Current), "GRANT INSERT", "m_oauth2_clients", "GRANT DELETE", "m_oauth2_refreshtokens")
		f.sql("DELETE FROM {oauth2_clients}")
		f.needs(generate(c.Current), "no API client")
		if f.value("SELECT COUNT(*) FROM {oauth2_clients}") != "0" {
			f.t.Error("a client was made")
		}
	})
}

func TestAnAPIThatIsSwitchedOffIsFoundBeforeAnythingChanges(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		off := NewAPI(APIConfig{Access: f.withMautic(mauticserver.Options{})})
		_, err := off.Generate(f.t.Context(), credential.Generation{Current: f.firstClient()})
		f.needs(err, "api_enabled", "MAUTIC_URL")
		f.expect(off, credential.Unknown, f.firstClient())
		k := NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		f.needs(off.Test(f.t.Context(), c), "api_enabled")
		if err := k.Test(f.t.Context(), c); err != nil || !strings.Contains(f.log.String(), "no URL is set") {
			f.t.Errorf("without a URL: %v, %s", err, f.log.String())
		}
		// Where it can only be read back, that is the proof.
		if err := off.Retire(f.t.Context(), f.overlap(c)); err != nil {
			f.t.Error(err)
		}
	})
}

func TestAnAPIClientIsTestedByACallAsFarAsItMayMakeOne(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.withMautic(apiOn)})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		f.sql("UPDATE {oauth2_clients} SET role_id = NULL WHERE id > 1")
		f.needs(k.Test(f.t.Context(), c), "answers 500", "role")
		f.sql("UPDATE {oauth2_clients} SET allowed_grant_types = 'a:0:{}' WHERE id > 1")
		if err := k.Test(f.t.Context(), c); err != nil || !strings.Contains(f.log.String(), "the function made no call") {
			f.t.Errorf("a client of another grant: %v, %s", err, f.log.String())
		}
		f.expect(k, credential.Accepted, c.Pending)
		f.sql("UPDATE {oauth2_clients} SET secret = 'another' WHERE id > 1")
		f.needs(k.Test(f.t.Context(), c), "400 invalid_client")
		f.expect(k, credential.Denied, c.Pending)
	})
}

func TestAKeyWithoutAClientIsPublishedAndSetNowhere(t *testing.T) {
	f := &fixture{t: t}
	k := NewAPI(APIConfig{}) // it has no database to ask
	for _, members := range []string{`"api_keys": {"mautic_api_key": "old"}`, `"api_keys": {"mautic_api_key": "old", "mautic_api_client_id": ""}`} {
		current := f.doc(members)
		pending, err := k.Generate(t.Context(), credential.Generation{Current: current})
		if err != nil {
			t.Fatal(err)
		}
		key, _ := pending.Text(RunbookAPILayout.Key)
		if len(key) < 40 || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || !current.EqualOutside(pending, []document.Pointer{RunbookAPILayout.Key}) {
			t.Error("not a new key alone")
		}
		c := f.change(current, pending)
		o := credential.Overlap{Current: pending, Old: current, Log: f.logger()}
		release, ok, err := k.Exclusive(t.Context(), o)
		if !ok {
			t.Error("not for itself")
		}
		release()
		use, inUse := k.InUse(t.Context(), o, 0)
		for _, err := range []error{err, inUse, k.Set(t.Context(), c), k.Test(t.Context(), c), k.PutBack(t.Context(), c), k.Quarantine(t.Context(), o), k.Restore(t.Context(), o), k.Retire(t.Context(), o)} {
			if err != nil || use.Seen != "" {
				t.Error(err, use)
			}
		}
		f.expect(k, credential.Accepted, current, pending)
		if !strings.Contains(f.log.String(), "only stored in the secret") || problems(k.Preflight(t.Context(), current)) != "" {
			t.Error("the log does not say so, or the preflight minds")
		}
	}
}
