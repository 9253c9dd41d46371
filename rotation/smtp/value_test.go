package smtp

import (
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
)

func TestTheValuesOfTwoVersionsAreTheSameIfTheServerTheKeyAndThePasswordAre(t *testing.T) {
	t.Parallel()
	const base = `{"email_configuration":{"smtp_host":"email-smtp.eu-west-1.amazonaws.com","smtp_username":"AKIA1","smtp_password":"p"}}`
	for _, tc := range []struct {
		name, fields           string
		config                 Config
		sameTarget, sameSecret bool
	}{
		{"another password", `"smtp_host":"email-smtp.eu-west-1.amazonaws.com","smtp_username":"AKIA1","smtp_password":"q"`, Config{}, true, false},
		{"another key with the same password", `"smtp_host":"email-smtp.eu-west-1.amazonaws.com","smtp_username":"AKIA2","smtp_password":"p"`, Config{}, true, false},
		{"the same password in another region", `"smtp_host":"email-smtp.us-east-1.amazonaws.com","smtp_username":"AKIA1","smtp_password":"p"`, Config{}, false, true},
		{"another host", `"smtp_host":"mail.example.com","smtp_username":"AKIA1","smtp_password":"p"`, Config{}, false, true},
		{"another port of SES", `"smtp_host":"email-smtp.eu-west-1.amazonaws.com","smtp_port":465,"smtp_username":"AKIA1","smtp_password":"p"`, Config{}, true, true},
		{"another endpoint of the region", `"smtp_host":"VPCE-0a.email-smtp.eu-west-1.vpce.amazonaws.com.","smtp_username":"AKIA1","smtp_password":"p"`, Config{}, true, true},
		{"the region of the settings", `"smtp_username":"AKIA1","smtp_password":"p"`, Config{Region: "eu-west-1"}, true, true},
		{"the host of the settings", `"smtp_username":"AKIA1","smtp_password":"p"`, Config{Host: "email-smtp.eu-west-1.amazonaws.com"}, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := valueOf(t, Config{}, base)
			b := valueOf(t, tc.config, `{"email_configuration":{`+tc.fields+`}}`)
			if (a.Target == b.Target) != tc.sameTarget || (a.Secret == b.Secret) != tc.sameSecret {
				t.Errorf("the targets are %q and %q, the secrets are the same: %v", a.Target, b.Target, a.Secret == b.Secret)
			}
		})
	}
}

func TestAKeyAndAPasswordThatAreDividedElsewhereAreAnotherSecret(t *testing.T) {
	t.Parallel()
	secret := func(name, password string) string {
		return valueOf(t, Config{Region: "eu-west-1"}, `{"email_configuration":{"smtp_username":"`+name+`","smtp_password":"`+password+`"}}`).Secret
	}
	if secret(`a\" \"b`, "c") == secret("a", `b\" \"c`) || secret("ab", "c") == secret("a", "bc") {
		t.Error("the secrets are the same")
	}
}

func TestAServerThatIsNotSESIsATargetWithItsHostAndPort(t *testing.T) {
	t.Parallel()
	target := func(fields string) string {
		return valueOf(t, Config{}, `{"email_configuration":{"smtp_username":"u","smtp_password":"p",`+fields+`}}`).Target
	}
	base := target(`"smtp_host":"mail.example.com"`)
	if got := target(`"smtp_host":"Mail.example.com.","smtp_port":"587"`); got != base {
		t.Errorf("got %q and %q", base, got)
	}
	if got := target(`"smtp_host":"mail.example.com","smtp_port":465`); got == base {
		t.Errorf("another port is %q too", got)
	}
}

func TestADocumentWithoutAnSMTPCredentialHasNoValueAndOneThatCannotBeUsedIsAnError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ document, err string }{
		{`{"site":"mautic"}`, ""},
		{`{"email_configuration":{"smtp_username":"","smtp_password":""}}`, ""},
		{`{"email_configuration":{"smtp_username":"u"}}`, "is missing or empty"},
		{`{"email_configuration":{"smtp_username":"u","smtp_password":"p"}}`, "the SMTP server is not known"},
	} {
		v, found, err := New(Config{}).Value(parse(t, tc.document))
		if found || v != (credential.Value{}) {
			t.Errorf("%s: a value was found", tc.document)
		}
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s: got error %v, want %q", tc.document, err, tc.err)
		}
	}
}

func valueOf(t *testing.T, c Config, text string) credential.Value {
	t.Helper()
	v, found, err := New(c).Value(parse(t, text))
	if err != nil || !found {
		t.Fatalf("%v (found: %v)", err, found)
	}
	return v
}
