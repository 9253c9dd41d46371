package mauticserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// value reads one value as root.
func (f *fixture) value(query string) (text string) {
	f.t.Helper()
	if err := f.db.Admin().QueryRowContext(context.Background(), f.named(query)).Scan(&text); err != nil {
		f.t.Fatal(err)
	}
	return text
}

// change asks the API to change something, as the administrator.
func (f *fixture) change(method, path, fields string) int {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.URL()+path, strings.NewReader(fields))
	if err != nil {
		f.t.Fatal(err)
	}
	request.SetBasicAuth("admin", f.seed.AdminPassword)
	response, err := f.client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

var apiOn = Options{APIEnabled: true, BasicAuth: true}

func as(version Version, o Options) Options {
	o.Version = version
	return o
}

func TestOnlyTheSecondVersionOfTheAPIChangesAPassword(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, apiOn), Seed{})
		hash := f.value("SELECT password FROM {users}")
		for _, method := range []string{"PATCH", "PUT"} {
			if status := f.change(method, "/api/users/1/edit", `{"plainPassword": {"password": "new", "confirm": "new"}, "isPublished": true}`); status != 200 {
				t.Errorf("%s answers %d", method, status)
			}
		}
		if f.value("SELECT CONCAT(password, is_published) FROM {users}") != hash+"1" {
			t.Error("version 1 has changed something")
		}
		status, want := f.change("PATCH", "/api/v2/users/1", `{"plainPassword": "new"}`), 200
		if version == Mautic51 {
			want = 404
		}
		if status != want || Matches(f.value("SELECT password FROM {users}"), "new") != (want == 200) {
			t.Errorf("version 2 answers %d", status)
		}
		if version == Mautic51 {
			f.change("PUT", "/api/users/1/edit", `{"lastName": "x"}`)
			if f.value("SELECT is_published FROM {users}") != "0" {
				t.Error("a PUT without isPublished leaves the user published")
			}
		}
	})
}

func TestOnlyTheFirstVersionOfTheAPIWritesAWebhooksSecretsIntoTheAuditLog(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, apiOn), Seed{})
		logged := func() string {
			return f.value("SELECT COALESCE(GROUP_CONCAT(details), '') FROM {audit_log}")
		}
		if version != Mautic51 {
			if status := f.change("PATCH", "/api/v2/webhooks/1", `{"secret": "by version 2"}`); status != 200 || f.value("SELECT secret FROM {webhooks} WHERE id = 1") != "by version 2" || logged() != "" {
				t.Errorf("%d, logged %q", status, logged())
			}
		} else if status := f.change("PATCH", "/api/v2/webhooks/1", `{"secret": "by version 2"}`); status != 404 {
			t.Errorf("5.1 has version 2: %d", status)
		}
		before := f.value("SELECT secret FROM {webhooks} WHERE id = 1")
		f.sql("INSERT INTO {webhook_queue} (webhook_id, event_id, payload) VALUES (1, 1, '{}'), (2, 2, '{}')")
		if status := f.change("PATCH", "/api/hooks/1/edit", `{"secret": "by version 1"}`); status != 200 || !strings.Contains(logged(), before) || !strings.Contains(logged(), "by version 1") {
			t.Errorf("%d, logged %q", status, logged())
		}
		if f.value("SELECT GROUP_CONCAT(webhook_id) FROM {webhook_queue}") != "1,2" {
			t.Error("a PATCH has deleted what was queued")
		}
		if status := f.change("PUT", "/api/hooks/1/edit", `{"secret": "again"}`); status != 200 {
			t.Error(status)
		}
		if f.value("SELECT GROUP_CONCAT(webhook_id) FROM {webhook_queue}") != "2" || f.value("SELECT COUNT(*) FROM {webhook_events} WHERE webhook_id = 1 AND id > 2") != "1" || f.value("SELECT COUNT(*) FROM {webhook_events}") != "2" {
			t.Error("a PUT does not recreate the events")
		}
	})
}

func TestWhoMayChangeSomethingByTheAPI(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, apiOn), Seed{})
		for path, want := range map[string]int{"/api/users/9/edit": 404, "/api/hooks/9/edit": 404, "/api/hooks/1/edit": 200} {
			if status := f.change("PATCH", path, "{}"); status != want {
				t.Errorf("%s answers %d", path, status)
			}
		}
		if status := f.change("PATCH", "/api/hooks/1/edit", "{"); status != 400 {
			t.Errorf("what is no JSON: %d", status)
		}
		f.sql("UPDATE {users} SET role_id = 2")
		if status := f.change("PATCH", "/api/hooks/1/edit", `{"secret": "x"}`); status != 403 {
			t.Errorf("an editor: %d", status)
		}
		f.seed.AdminPassword = "wrong"
		if status := f.change("PATCH", "/api/hooks/1/edit", `{"secret": "x"}`); status != 401 {
			t.Errorf("nobody: %d", status)
		}
		if f.value("SELECT secret FROM {webhooks} WHERE id = 1") != f.seed.HookSecret {
			t.Error("changed all the same")
		}
	})
}

func TestTheTablesOf7HaveMoreColumns(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, Options{Version: version}, Seed{})
		got := f.value(`SELECT COALESCE(GROUP_CONCAT(CONCAT(TABLE_NAME, '.', COLUMN_NAME) ORDER BY 1), '') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '` + f.database + `'
			AND CONCAT(TABLE_NAME, '.', COLUMN_NAME) IN ('p_roles.uuid', 'p_webhooks.marked_unhealthy_at', 'p_webhooks.unhealthy_since', 'p_webhooks.last_notification_sent_at', 'p_webhook_queue.retries', 'p_webhook_queue.date_modified')`)
		want := 6
		if version == Mautic51 {
			want = 0
		}
		if n := strings.Count(got, "."); n != want {
			t.Errorf("got %s", got)
		}
		if f.value("SELECT COUNT(*) FROM {webhook_queue}") != "0" {
			t.Error("something is queued")
		}
	})
}

func TestTablesThatAreFilledAnewAreAsNewOnes(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, apiOn), Seed{})
		all := func() (text string) {
			for _, table := range tables(version) {
				name, _, _ := strings.Cut(table, " ")
				text += name + f.value("SELECT COUNT(*) FROM {"+name+"}") + " "
			}
			return text + f.value("SELECT CONCAT_WS('/', u.id, u.username, u.is_published, c.id, c.secret, w.id, w.name, w.secret, e.id) FROM {users} u, {oauth2_clients} c, {webhooks} w JOIN {webhook_events} e ON e.webhook_id = w.id WHERE w.id = 2")
		}
		before := all()
		f.change("PATCH", "/api/hooks/1/edit", `{"secret": "x"}`)
		f.sql("INSERT INTO {webhook_queue} (webhook_id, event_id) VALUES (1, 1)")
		f.sql("INSERT INTO {oauth2_accesstokens} (client_id, user_id, token) VALUES (1, 1, 'x')")
		f.sql("INSERT INTO {users} (role_id, is_published, username, email, password, first_name, last_name) VALUES (1, 1, 'b', 'b', '', '', '')")
		f.sql("UPDATE {users} SET is_published = 0")
		for range 2 {
			seed, err := Refill(t.Context(), f.db.Admin(), f.database, "p_", Seed{Version: version})
			if err != nil || seed.AdminUser != "admin" {
				t.Fatal(err)
			}
			if got := all(); got != before {
				t.Errorf("got  %s\nwant %s", got, before)
			}
		}
	})
}
