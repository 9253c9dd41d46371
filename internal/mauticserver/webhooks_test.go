package mauticserver

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// receiver is a server of webhooks. It notes the secrets that what it gets is
// signed with, and answers a status.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	signed []string // with which secret
}

func newReceiver(t *testing.T, secrets ...string) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		by := "another"
		for _, secret := range secrets {
			if request.Header.Get("Webhook-Signature") == Signature(secret, string(body)) {
				by = secret
			}
		}
		r.signed = append(r.signed, by)
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// got returns what has arrived since it was asked last.
func (r *receiver) got(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.signed, want) {
		t.Errorf("deliveries signed with %q, want %q", r.signed, want)
	}
	r.signed = nil
}

// hooked is a Mautic with one webhook, its receiver and its clock.
func hooked(t *testing.T, version Version, p map[string]any) (f *fixture, r *receiver, advance func(time.Duration), cron Container) {
	t.Helper()
	r = newReceiver(t, "old", "new")
	var mu sync.Mutex
	now := time.Now()
	f = start(t, Options{Version: version, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}}, Seed{Version: version, Hooks: []string{"contacts"}, HookSecret: "old", Receiver: r.URL})
	parameters := map[string]any{"db_password": f.password, "db_table_prefix": "p_", "site_url": "https://mautic.example.com", "webhook_allowed_private_addresses": []any{"127.0.0.1"}}
	for name, value := range p {
		parameters[name] = value
	}
	cron = Container{Role: Cron, LocalPHP: LocalPHP(parameters)}
	f.SetContainer(Container{LocalPHP: cron.LocalPHP})
	return f, r, func(by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(by)
	}, cron
}

func (f *fixture) trigger() {
	f.t.Helper()
	if err := f.Trigger(f.t.Context(), `{"mautic.lead_post_save_new":[{}]}`); err != nil {
		f.t.Fatal(err)
	}
}

// process runs a mautic:webhooks:process in a container.
func (f *fixture) process(c Container, times int) {
	f.t.Helper()
	run, err := f.ProcessWebhooks(f.t.Context(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	defer run.Close()
	for range times {
		if err := run.Send(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) queued(want string) {
	f.t.Helper()
	if got := f.value("SELECT COUNT(*) FROM {webhook_queue}"); got != want {
		f.t.Errorf("%s are queued, want %s", got, want)
	}
}

func TestTheSignatureIsTheRawHMACOfTheBodyInBase64(t *testing.T) {
	t.Parallel()
	raw, err := hex.DecodeString("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843") // RFC 4231, test case 2
	if err != nil {
		t.Fatal(err)
	}
	if got := Signature("Jefe", "what do ya want for nothing?"); got != base64.StdEncoding.EncodeToString(raw) {
		t.Error(got)
	}
}

func TestADeliveryThatIsRejectedIsLostOn51AndTriedAgainOn7(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f, r, advance, cron := hooked(t, version, nil)
		r.answer(http.StatusUnauthorized)
		f.trigger()
		r.got(t, "old") // at once
		if version == Mautic51 {
			f.queued("0")
			return
		}
		f.queued("1")
		f.process(cron, 1) // which does nothing then
		if err := f.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.got(t) // too early
		f.sql("UPDATE {webhooks} SET secret = 'new'")
		advance(3601 * time.Second)
		f.process(cron, 1)
		r.got(t)
		r.answer(http.StatusOK)
		if err := f.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.got(t, "new") // it is signed when it is sent
		f.queued("0")
	})
}

func TestARunningProcessKeepsTheOldSecretUntilItEnds(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f, r, advance, cron := hooked(t, version, map[string]any{"queue_mode": byCommand})
		run, err := f.ProcessWebhooks(t.Context(), cron)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		f.sql("UPDATE {webhooks} SET secret = 'new'")
		f.trigger()
		advance(599 * time.Second)
		if err := run.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.got(t, "old")
		f.trigger()
		advance(time.Second)
		if err := run.Send(t.Context()); !errors.Is(err, ErrRunEnded) {
			t.Errorf("got %v", err)
		}
		f.process(cron, 1)
		r.got(t, "new")
		f.queued("0")
	})
}

func TestAnAnswer410UnpublishesTheHook(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f, r, _, cron := hooked(t, version, map[string]any{"queue_mode": byCommand})
		f.trigger()
		r.answer(http.StatusGone)
		f.process(cron, 2)
		r.got(t, "old")
		if f.value("SELECT is_published FROM {webhooks}") != "0" {
			t.Error("it is still published")
		}
		f.queued(map[Version]string{Mautic51: "0", Mautic70: "1"}[version])
		f.trigger()
		f.queued(map[Version]string{Mautic51: "0", Mautic70: "1"}[version])
		if version != Mautic51 && f.value("SELECT CONCAT(retries, '-', COALESCE(date_modified, '')) FROM {webhook_queue}") != "0-" {
			t.Error("the entry has changed")
		}
	})
}

func TestAPrivateReceiverIsRefusedBy7UnlessItIsNamed(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f, r, _, cron := hooked(t, version, map[string]any{"queue_mode": byCommand, "webhook_allowed_private_addresses": []any{"192.0.2.1"}})
		f.trigger()
		f.process(cron, 1)
		if version == Mautic51 {
			r.got(t, "old")
		} else {
			r.got(t)
		}
	})
}
