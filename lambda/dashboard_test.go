package main

import (
	"context"
	"database/sql"
	"testing"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/rig"
)

func TestAnAdministratorWithoutWidgetsIsRotated(t *testing.T) {
	t.Parallel()
	for name, dashboard := range map[string]mauticserver.Dashboard{
		"whose dashboard redirects to itself once":               mauticserver.FirstDashboard,
		"whose dashboard redirects to the import page each time": mauticserver.NoDefaultDashboard,
	} {
		t.Run(name, func(t *testing.T) {
			m := deployMautic(t, &rig.Application{})
			// Basic authentication is off, as it is by default, and Mautic is
			// installed below a path.
			site, err := mauticserver.Start(mauticserver.Options{
				Open: func(_ context.Context, password string) (*sql.DB, error) {
					return m.MySQL.Open(m.User, password, m.Database)
				},
				Password: m.Password, Path: "/mautic", APIEnabled: true, Dashboard: dashboard,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { site.Close() })
			m.reconfigure(map[string]string{"MAUTIC_URL": site.URL()})
			m.mustPreflight()
			if err := m.rotateWith("only.admin.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"); err != nil {
				t.Fatal(err)
			}
			if password := m.field("/admin_credentials/admin_password"); password == m.seed.AdminPassword || !m.letsIn(password) {
				t.Error("the new password is not the secret's, or Mautic does not take it")
			}
		})
	}
}
