package mautic

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

var (
	firstHookSecret = strings.Repeat("0123456789abcdef", 4)
	nextHookSecret  = strings.Repeat("fedcba9876543210", 4)
	hexSecret       = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func hooksDoc(f *fixture, secrets ...string) document.Document {
	f.t.Helper()
	members := []string{}
	for i, name := range []string{"secret", "next_secret", "previous_secret"} {
		if i < len(secrets) && secrets[i] != "-" {
			members = append(members, fmt.Sprintf("%q: %q", name, secrets[i]))
		}
	}
	return f.doc(`"webhooks": {` + strings.Join(members, ", ") + `}`)
}

func TestTheNextWebhookSecretIsPublishedBeforeItIsUsed(t *testing.T) {
	f := &fixture{t: t}
	k := NewWebhook(WebhookConfig{})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const made, kept = "made", "kept"
	for _, tc := range []struct {
		name      string
		have      []string // secret, next, previous
		last      time.Time
		emergency bool
		want      []string // made, kept, or which one moved here; "" for a field that is not there
	}{
		{"the first rotation only publishes", []string{"a"}, time.Time{}, false, []string{kept, made, ""}},
		{"an empty next one is none", []string{"a", ""}, now.Add(-time.Hour), false, []string{kept, made, ""}},
		{"nor is one that is in use", []string{"a", "a", "c"}, time.Time{}, false, []string{kept, made, kept}},
		{"an old one is", []string{"a", "b"}, now.Add(-24 * time.Hour), false, []string{"b", made, "a"}},
		{"so is one of unknown age", []string{"a", "b", "c"}, time.Time{}, false, []string{"b", made, "a"}},
		{"an emergency makes all anew", []string{"a", "b", "c"}, now, true, []string{made, made, made}},
		{"and adds no previous one", []string{"a"}, now, true, []string{made, made, ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			current := hooksDoc(f, tc.have...)
			next, err := k.advance(credential.Generation{Current: current, Now: now, Last: tc.last, Emergency: tc.emergency})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for i, p := range []document.Pointer{k.config.Layout.Secret, k.config.Layout.Next, k.config.Layout.Previous} {
				got, err := next.Text(p)
				want := tc.want[i]
				if want == kept {
					want = tc.have[i]
				}
				switch {
				case tc.want[i] == "" && !errors.Is(err, document.ErrMissing):
					t.Errorf("field %s has been added", p)
				case tc.want[i] == made && (!hexSecret.MatchString(got) || seen[got]):
					t.Errorf("field %s is %q", p, got)
				case tc.want[i] != made && got != want:
					t.Errorf("field %s is %q, want %q", p, got, want)
				}
				seen[got] = true
			}
			again, _ := k.Fields(next)
			expected := current
			for _, p := range again {
				text, _ := next.Text(p)
				if expected, err = expected.Put(p, text); err != nil {
					t.Fatal(err)
				}
			}
			if expected.Raw() != next.Raw() {
				t.Errorf("other bytes have changed, or fields were added in another order than Fields has them:\n%s\n%s", expected.Raw(), next.Raw())
			}
		})
	}
}

func TestAYoungNextWebhookSecretIsNotUsedBeforeItsReceiversCanHaveReadIt(t *testing.T) {
	f := &fixture{t: t}
	k := NewWebhook(WebhookConfig{})
	last := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := credential.Generation{Current: hooksDoc(f, "a", "b"), Last: last, Now: last.Add(24*time.Hour - time.Second)}
	_, err := k.Generate(t.Context(), g) // which asks nobody
	early, ok := errors.AsType[*credential.TooEarly](err)
	if !ok || !early.Until.Equal(last.Add(24*time.Hour)) || !strings.Contains(err.Error(), "24h0m0s") || !strings.Contains(err.Error(), "not before 2026-03-02T12:00:00Z") {
		t.Fatalf("got %v", err)
	}
	g.Now = early.Until
	if _, err := k.advance(g); err != nil {
		t.Errorf("at the time that it tells: %v", err)
	}
}

func (f *fixture) hookChange() credential.Change {
	return f.change(hooksDoc(f, firstHookSecret, nextHookSecret), hooksDoc(f, nextHookSecret, "later", firstHookSecret))
}

func (f *fixture) hookSecrets() string {
	f.t.Helper()
	return f.value("SELECT GROUP_CONCAT(secret ORDER BY id) FROM {webhooks}")
}

func TestAWebhookSecretIsSetTestedAndPutBack(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewWebhook(WebhookConfig{Access: f.access()})
		c := f.hookChange()
		generated, err := k.Generate(f.t.Context(), credential.Generation{Current: c.Current})
		if err != nil {
			f.t.Fatal(err)
		}
		if got, _ := generated.Text("/webhooks/secret"); got != nextHookSecret {
			f.t.Error("the next secret was not put to use")
		}
		for range 2 {
			if err := k.Set(f.t.Context(), c); err != nil {
				f.t.Fatal(err)
			}
		}
		if f.hookSecrets() != nextHookSecret+","+nextHookSecret {
			f.t.Error("not set")
		}
		if err := k.Test(f.t.Context(), c); err != nil {
			f.t.Error(err)
		}
		if !strings.Contains(f.log.String(), "600 s") {
			f.t.Error("the log does not tell of what runs")
		}
		for d, want := range map[document.Document]credential.Outcome{c.Pending: credential.Accepted, c.Current: credential.Denied} {
			if got, err := k.Probe(f.t.Context(), d); got != want {
				f.t.Errorf("got %s, %v, want %s", got, err, want)
			}
		}
		// A rotation that begins after this one was given up finds its secret there.
		if _, err := k.Generate(f.t.Context(), credential.Generation{Current: c.Current}); err != nil {
			f.t.Error(err)
		}
		for range 2 {
			if err := k.PutBack(f.t.Context(), c); err != nil {
				f.t.Fatal(err)
			}
		}
		if f.hookSecrets() != firstHookSecret+","+firstHookSecret {
			f.t.Error("not put back")
		}
		f.needs(k.Test(f.t.Context(), c), "a different secret")
	})
}

func TestPublishingTheNextWebhookSecretChangesNothingInMautic(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewWebhook(WebhookConfig{Access: f.access()})
		current := hooksDoc(f, firstHookSecret)
		pending, err := k.Generate(f.t.Context(), credential.Generation{Current: current})
		if err != nil {
			f.t.Fatal(err)
		}
		if fields, err := k.Fields(pending); err != nil || len(fields) != 2 {
			f.t.Errorf("fields %v, %v", fields, err)
		}
		c := f.change(current, pending)
		for _, err := range []error{k.Set(f.t.Context(), c), k.Test(f.t.Context(), c), k.PutBack(f.t.Context(), c)} {
			if err != nil {
				f.t.Error(err)
			}
		}
		if f.hookSecrets() != firstHookSecret+","+firstHookSecret {
			f.t.Error("a secret has changed")
		}
	})
}

func TestAWebhookWithASecretOfItsOwnIsRefusedByNameBeforeAnythingChanges(t *testing.T) {
	onEach(t, mauticserver.Seed{Hooks: []string{"contacts", "emails", "forms"}}, func(f *fixture) {
		k := NewWebhook(WebhookConfig{Access: f.access()})
		for _, own := range []string{"own", strings.ToUpper(firstHookSecret), ""} {
			f.sql("UPDATE {webhooks} SET secret = ? WHERE name = 'emails'", own)
			before := f.hookSecrets()
			_, err := k.Generate(f.t.Context(), credential.Generation{Current: hooksDoc(f, firstHookSecret, nextHookSecret)})
			f.needs(err, `"emails"`, "MAUTIC_WEBHOOKS")
			if none := strings.Contains(err.Error(), `"emails" (whose secret is empty)`); none != (own == "") {
				f.t.Errorf("with the secret %q: %v", own, err)
			}
			f.needs(k.Set(f.t.Context(), f.hookChange()), `"emails"`, "MAUTIC_WEBHOOKS")
			if f.hookSecrets() != before {
				f.t.Error("a secret has changed")
			}
		}
		named := NewWebhook(WebhookConfig{Access: f.access(), Hooks: []string{"contacts", "forms"}})
		if err := named.Set(f.t.Context(), f.hookChange()); err != nil {
			f.t.Error(err)
		}
		if f.hookSecrets() != nextHookSecret+",,"+nextHookSecret {
			f.t.Error("not the named ones, or not they alone")
		}
		_, err := NewWebhook(WebhookConfig{Access: f.access(), Hooks: []string{"contacts", "none"}}).Generate(f.t.Context(), credential.Generation{Current: hooksDoc(f, nextHookSecret)})
		f.needs(err, `there is no webhook "none" in Mautic, which has "contacts", "emails", "forms": correct MAUTIC_WEBHOOKS`)
		f.sql("DELETE FROM {webhooks}")
		for _, k := range []*Webhook{k, named} {
			_, err = k.Generate(f.t.Context(), credential.Generation{Current: hooksDoc(f, firstHookSecret)})
			f.needs(err, "there is no webhook in Mautic", "/webhooks/secret")
		}
		_, err = k.Generate(f.t.Context(), credential.Generation{Current: hooksDoc(f, "")})
		f.needs(err, "/webhooks/secret is empty")
	})
}

func TestAHookThatWasMadeInMauticsPagesIsNamedAndLeftAlone(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		own, err := f.mautic(mauticserver.Options{}).NewHook(f.t.Context(), "made in the pages", "https://receiver.example.com")
		if err != nil {
			f.t.Fatal(err)
		}
		ownIsThere := func() {
			f.t.Helper()
			if f.value("SELECT secret FROM {webhooks} WHERE name = 'made in the pages'") != own {
				f.t.Error("its secret has changed")
			}
		}
		c := f.hookChange()
		all := NewWebhook(WebhookConfig{Access: f.access()})
		err = f.generate(all, c.Current)
		f.needs(err, `the webhook "made in the pages" has a different secret in Mautic than in the document, so nothing was changed`, "MAUTIC_WEBHOOKS")
		// Or the engine would try again, in place of leaving the kind out.
		if credential.MayPass(err) || strings.Contains(err.Error(), own) {
			f.t.Errorf("it may pass, or shows a secret: %v", err)
		}
		if found := problems(all.Preflight(f.t.Context(), c.Current)); !strings.Contains(found, `"made in the pages"`) || strings.Contains(found, `"contacts"`) {
			f.t.Errorf("the preflight finds %s", found)
		}
		ownIsThere()

		named := NewWebhook(WebhookConfig{Access: f.access(), Hooks: []string{"contacts", "emails"}})
		if found := problems(named.Preflight(f.t.Context(), c.Current)); found != "" {
			f.t.Errorf("where the others are named, the preflight finds %s", found)
		}
		for _, err := range []error{f.generate(named, c.Current), named.Set(f.t.Context(), c), named.Test(f.t.Context(), c), named.PutBack(f.t.Context(), c), named.Set(f.t.Context(), c)} {
			if err != nil {
				f.t.Error(err)
			}
		}
		ownIsThere()
		if got := f.hookSecrets(); got != nextHookSecret+","+nextHookSecret+","+own {
			f.t.Errorf("the secrets are %s", got)
		}
	})
}

func TestAnEmergencyFindsTheHooksOfARotationThatWasGivenUp(t *testing.T) {
	onEach(t, mauticserver.Seed{HookSecret: nextHookSecret}, func(f *fixture) {
		k := NewWebhook(WebhookConfig{Access: f.access()})
		current := hooksDoc(f, firstHookSecret, nextHookSecret, "before")
		pending, err := k.Generate(f.t.Context(), credential.Generation{Current: current, Emergency: true})
		if err != nil {
			f.t.Fatal(err)
		}
		if err := k.Set(f.t.Context(), f.change(current, pending)); err != nil {
			f.t.Fatal(err)
		}
		if outcome, err := k.Probe(f.t.Context(), pending); outcome != credential.Accepted {
			f.t.Error(err)
		}
	})
}

func TestSettingAWebhookSecretComesRightAfterACutAtAnyPoint(t *testing.T) {
	onEachMake(t, func(f *fixture) {
		proxy, access := f.throughProxy()
		k := NewWebhook(WebhookConfig{Access: access})
		c := f.hookChange()
		allTheSame := func(when string) {
			if got := f.hookSecrets(); got != firstHookSecret+","+firstHookSecret && got != nextHookSecret+","+nextHookSecret {
				f.t.Fatalf("%s: some hooks have changed and others not", when)
			}
		}
		f.cutAtEveryCall(proxy, func() { f.sql("UPDATE {webhooks} SET secret = ?", firstHookSecret) },
			func(ctx context.Context) error { return k.Set(ctx, c) }, allTheSame)
		f.cutAtEveryCall(proxy, func() { f.sql("UPDATE {webhooks} SET secret = ?", nextHookSecret) },
			func(ctx context.Context) error { return k.PutBack(ctx, c) }, allTheSame)
		if f.hookSecrets() != firstHookSecret+","+firstHookSecret {
			f.t.Error("not put back in the end")
		}
	})
}

func TestTwoSetsOfAWebhookSecretAtOnceBothSucceed(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewWebhook(WebhookConfig{Access: f.access()})
		for err := range atOnce(4, func() error { return k.Set(f.t.Context(), f.hookChange()) }) {
			if err != nil {
				f.t.Error(err)
			}
		}
		if f.hookSecrets() != nextHookSecret+","+nextHookSecret {
			f.t.Error("not set")
		}
	})
}

func TestNoWebhookSecretIsWrittenAfterConfirmHasFailedOrWithoutThePrivilege(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := NewWebhook(WebhookConfig{Access: f.access()})
		c := f.hookChange()
		c.Confirm = func(context.Context) error { return errors.New("AWSCURRENT has moved") }
		f.needs(k.Set(f.t.Context(), c), "AWSCURRENT has moved")
		f.grantOnly("SELECT ON {webhooks}")
		_, err := k.Generate(f.t.Context(), credential.Generation{Current: c.Current})
		f.needs(err, "GRANT UPDATE", "m_webhooks")
		if f.hookSecrets() != firstHookSecret+","+firstHookSecret {
			f.t.Error("written all the same")
		}
		f.grantOnly("SELECT (id, name, secret), UPDATE (secret) ON {webhooks}")
		if err := k.Set(f.t.Context(), f.hookChange()); err != nil {
			f.t.Error(err)
		}
	})
}
