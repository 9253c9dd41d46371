package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// A spoiling makes something wrong, and right again.
type spoiling struct{ spoil, mend func() }

func (m *mauticDeployment) wrongField(at document.Pointer, wrong, right string) spoiling {
	store := func(value string) func() {
		return func() { m.store(map[document.Pointer]string{at: value}) }
	}
	return spoiling{store(wrong), store(right)}
}

func (m *mauticDeployment) wrongSetting(name, wrong, right string) spoiling {
	set := func(value string) func() {
		return func() { m.reconfigure(map[string]string{name: value}) }
	}
	return spoiling{set(wrong), set(right)}
}

// wrongPrivileges leaves the database's user one table to read alone.
func (m *mauticDeployment) wrongPrivileges(table string, others ...string) spoiling {
	account := "'" + m.User + "'@'%'"
	return spoiling{
		spoil: func() {
			m.sql("GRANT SELECT ON {" + table + " TO " + account)
			for _, other := range others {
				m.sql("GRANT ALL ON {" + other + " TO " + account)
			}
			m.sql("REVOKE ALL ON {* FROM " + account)
		},
		mend: func() { m.sql("GRANT ALL ON {* TO " + account) },
	}
}

func TestWhatARotationWouldFailByIsNamedBeforeAnythingChanges(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	m.mustPreflight()
	page := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer page.Close()
	for _, tc := range []struct {
		name string
		spoiling
		want []string
		kind string // createSecret finds it too when this is asked for, by the last of the texts; the rest is for a preflight
	}{
		{
			"no such table",
			spoiling{func() { m.sql("RENAME TABLE {webhooks TO {hooks") }, func() { m.sql("RENAME TABLE {hooks TO {webhooks") }},
			[]string{"no table webhooks", "MAUTIC_TABLE_PREFIX"}, "webhook",
		},
		{
			"no such user", m.wrongField("/admin_credentials/admin_username", "nobody", m.seed.AdminUser),
			[]string{`no user "nobody" in Mautic`, "correct field /admin_credentials/admin_username"}, "admin",
		},
		{
			"no such client", m.wrongField("/api_keys/mautic_api_client_id", "99_0123abcd", m.seed.PublicClientID()),
			[]string{"there is no API client", "correct the client id in the secret"}, "api",
		},
		{
			"no such hook", m.wrongSetting("MAUTIC_WEBHOOKS", "nowhere", ""),
			[]string{`no webhook "nowhere" in Mautic`, "correct MAUTIC_WEBHOOKS"}, "webhook",
		},
		{
			"no privilege on one table",
			m.wrongPrivileges("webhooks", "users", "roles", "oauth2_clients", "oauth2_accesstokens", "oauth2_refreshtokens"),
			[]string{"lacks a privilege", "GRANT UPDATE ON `" + m.Database + "`.`webhooks`"}, "webhook",
		},
		{
			"a Mautic that cannot be reached", m.wrongSetting("MAUTIC_URL", "http://127.0.0.1:1", m.site.URL()),
			[]string{"admin: Mautic answers at its URL", "api: Mautic answers at its URL", "health: the application is healthy", "check MAUTIC_URL"}, "",
		},
		{
			"a page that is no Mautic's", m.wrongSetting("MAUTIC_URL", page.URL, m.site.URL()),
			[]string{"no field _csrf_token", "correct MAUTIC_URL"}, "admin",
		},
		{
			"a task definition that pins a version",
			spoiling{func() { m.pinnedService("mautic-prod-pinned") }, func() { m.reconfigure(map[string]string{"ECS_CLUSTER": "", "ECS_SERVICES": ""}) }},
			[]string{"valueFrom pins version id", "which never follows a rotation", "and deploy it"}, "",
		},
	} {
		tc.spoil()
		before := m.raw("AWSCURRENT")
		wantError(t, m.preflight(), append(tc.want, "nothing was changed")...)
		if tc.kind != "" {
			err := m.rotateAs("only." + tc.kind)
			wantError(t, err, "createSecret: ", tc.kind+": ", tc.want[len(tc.want)-1])
		}
		if m.raw("AWSCURRENT") != before || m.raw("AWSPENDING") != "" || m.journal() != "" {
			t.Errorf("%s: something was changed; the journal says %s", tc.name, m.journal())
		}
		tc.mend()
	}
	m.wantTaken(m.values(), everyKind, "of the values from before")
	if m.values() != (values{m.Password, m.seed.AdminPassword, m.seed.PublicClientID(), m.seed.ClientSecret, m.seed.HookSecret}) {
		t.Error("the secret holds others")
	}
	if m.redeploys() > 0 {
		t.Error("redeployed")
	}
}

// pinnedService has the function redeploy a service whose tasks read one version
// of the secret, whatever is current.
func (m *mauticDeployment) pinnedService(name string) {
	m.t.Helper()
	state, err := m.AWS.SecretsManager.State(m.SecretARN)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = m.AWS.ECS.RunService(localecs.Service{
		Cluster: rig.ClusterName, Name: name, DesiredCount: -1,
		Run:     func(context.Context, localecs.Task) error { return nil },
		Secrets: []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: m.SecretARN + ":database_password::" + state.Labelled("AWSCURRENT").ID}},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.reconfigure(map[string]string{"ECS_CLUSTER": rig.ClusterName, "ECS_SERVICES": name})
}
