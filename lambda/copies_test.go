package main

import (
	"strings"
	"testing"

	"mautic-rotation/internal/rig"
)

func TestCopiesOfCredentialsInDSNsFollowThemAndWorkToTheEnd(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	escape := strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D")
	copied := func(password, key, secret string) string {
		login := key + ":" + escape.Replace(secret) + "@email-smtp.us-east-1.amazonaws.com:587"
		return `, "database_url": "mysql://` + s.User + ":" + password + `@db:3306/mautic", "mailer_dsn": "smtp://` + login +
			`", "local_php": "` + strings.ReplaceAll("smtp://"+login+"?name=%20", "%", "%%") + `"`
	}
	key, secret := textAt(t, s.raw("AWSCURRENT"), "/email_configuration/smtp_username"), textAt(t, s.raw("AWSCURRENT"), "/email_configuration/smtp_password")
	s.put(strings.TrimSuffix(strings.TrimSpace(s.raw("AWSCURRENT")), "}") + copied(s.Password, key, secret) + "}")
	s.mustRotate()
	promoted := s.raw("AWSCURRENT")
	newKey, newSecret := textAt(t, promoted, "/email_configuration/smtp_username"), textAt(t, promoted, "/email_configuration/smtp_password")
	if newKey == key || newSecret == secret {
		t.Fatal("the SMTP credential was not rotated")
	}
	if want := copied(s.password("AWSCURRENT"), newKey, newSecret); !strings.Contains(promoted, want) {
		t.Error("a copy has not followed its credential")
	}
	s.mustEndWith(s.password("AWSCURRENT"))
	if s.raw("AWSCURRENT") != promoted {
		t.Error("AWSCURRENT has changed since its promotion")
	}
}
