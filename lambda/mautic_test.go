package main

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

func TestOneRotationChangesEveryCredentialOfAMautic(t *testing.T) {
	t.Parallel()
	for _, version := range mauticserver.Versions() {
		t.Run(string(version), func(t *testing.T) {
			m := deployMautic(t, &rig.Application{}, func(o *rig.Options) { o.MauticVersion = version })
			m.mustRotate()
			client, key := m.field("/api_keys/mautic_api_client_id"), m.field("/api_keys/mautic_api_key")
			if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) || !m.servesClient(client, key) || client == m.seed.PublicClientID() {
				t.Error("not both API clients are served")
			}
			if !m.letsIn(m.field("/admin_credentials/admin_password")) || m.letsIn(m.seed.AdminPassword) {
				t.Error("the administrator's password is not the new one alone")
			}
			// The first rotation publishes a next secret, and uses the one that is known.
			if m.hookSecrets() != m.seed.HookSecret || m.field("/webhooks/secret") != m.seed.HookSecret {
				t.Error("the webhooks' secret was changed before its receivers could know the next one")
			}
			next := m.field("/webhooks/next_secret")

			// The database's overlap ends with the rollout, the API client's in a week.
			m.mustBeSteady()
			m.mustReconcile()
			m.accepts(false, m.Password)
			if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
				t.Error("callers of the old API client are refused within its overlap")
			}
			m.AWS.Clock().Advance(8 * 24 * time.Hour)
			m.mustReconcile()
			if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) || !m.servesClient(client, key) {
				t.Error("the old API client is served still, or the new one is not")
			}
			if m.journal() != "" {
				t.Errorf("left in the journal: %s", m.journal())
			}

			m.mustRotate()
			if m.hookSecrets() != next || m.field("/webhooks/secret") != next || m.field("/webhooks/previous_secret") != m.seed.HookSecret {
				t.Error("the webhooks do not sign with the secret that was published a week ago")
			}
			m.noLoginFailed()
		})
	}
}

func TestARollbackPutsEveryCredentialOfAMauticBack(t *testing.T) {
	m := deployMautic(t, brokenApplication())
	m.mustRotate()
	bad := m.field("/admin_credentials/admin_password")
	m.awaitFailedRollouts()
	m.mustReconcile()
	if m.password("AWSCURRENT") != m.Password || m.field("/admin_credentials/admin_password") != m.seed.AdminPassword {
		t.Fatalf("not rolled back: %s", m.journal())
	}
	if !m.letsIn(m.seed.AdminPassword) || m.letsIn(bad) || !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("what AWSCURRENT holds again is not accepted")
	}
	m.noLoginFailed()
}

func TestAMauticWithoutTheUserThatTheSecretNamesIsRefusedBeforeAnythingChanges(t *testing.T) {
	m := deployMautic(t, &rig.Application{})
	m.store(map[document.Pointer]string{"/admin_credentials/admin_username": "nobody"})
	err := m.rotateAs("only.admin")
	wantError(t, err, "createSecret", "nobody")
	if m.letsIn(m.seed.AdminPassword) == false || strings.Contains(m.journal(), "set") {
		t.Error("something was changed")
	}
}
