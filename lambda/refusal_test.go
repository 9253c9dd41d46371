package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// unknownToken is no version of any secret.
var unknownToken = strings.Repeat("f", 32)

func TestAnEventThatSecretsManagerWouldNotSendIsRefused(t *testing.T) {
	d := deploy(t)
	event := func(step, secret, token string) string {
		return fmt.Sprintf(`{"Step":%q,"SecretId":%q,"ClientRequestToken":%q}`, step, secret, token)
	}
	for _, tc := range []struct{ name, event, want string }{
		{"another service's event", `{"source":"aws.ec2","detail":{"password":"hunter2"}}`, "unknown event: this function accepts the events of Secrets Manager's rotation"},
		{"no object", `"hunter2"`, "unknown event"},
		{"a field of another type", `{"Step":7}`, "unknown event"},
		{"an unknown step", event("deleteSecret", d.SecretARN, unknownToken), `unknown step "deleteSecret": the steps are createSecret, setSecret, testSecret and finishSecret`},
		{"no secret", event("createSecret", "", unknownToken), "does not serve the secret"},
		{"another deployment's secret", event("createSecret", d.SecretARN[:len(d.SecretARN)-6]+"ZZZZZZ", unknownToken), "add its ARN to SECRET_ARNS"},
		{"a short token", event("createSecret", d.SecretARN, "1"), "ClientRequestToken has 1 characters"},
		{"rotation that is not enabled", event("createSecret", d.SecretARN, unknownToken), "rotation is not enabled"},
	} {
		err := d.Invoke([]byte(tc.event))
		wantError(t, err, tc.want)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the event", tc.name)
		}
	}
	d.mustPreflight()
	for _, step := range steps {
		err := d.Step(step, d.SecretARN, unknownToken)
		wantError(t, err, "the secret has no version "+unknownToken)
	}
}

func TestAVersionThatIsNotPendingAnyMoreIsRefused(t *testing.T) {
	d := deploy(t)
	token := d.beginByHand()
	if err := d.Step("createSecret", d.SecretARN, token); err != nil {
		t.Fatal(err)
	}
	d.moveLabel("AWSPENDING", "", token)
	// A version without any label is not among those that are described.
	d.moveLabel("KEPT", token, "")
	for _, step := range steps {
		wantError(t, d.Step(step, d.SecretARN, token), "is not AWSPENDING, so its rotation has been given up")
	}
	d.accepts(true, d.Password)
}

func TestASecretThatCannotBeRotatedIsRefusedInCreateSecret(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		value  func(document string) string // nil: the rig's
		binary []byte
		owner  string
		want   string
	}{
		{name: "owned by a service", owner: "rds", want: "owned by the service rds"},
		{name: "binary", binary: []byte(`{"password":"x"}`), want: "SecretBinary"},
		{name: "no JSON", value: func(string) string { return "hunter2" }, want: "not valid JSON"},
		{name: "no object", value: func(string) string { return `["hunter2"]` }, want: "not a JSON object"},
		{name: "no credential", value: func(string) string { return `{"hunter2":"x"}` }, want: "no credential that this function rotates. It was expected in these fields: database at /database_password or /password (DATABASE_PASSWORD_POINTER names another one)"},
		{
			name: "no user", value: func(s string) string { return strings.Replace(s, "database_user", "database_usr", 1) },
			want: "no database user: add field /database_user to the secret, or set DATABASE_USER",
		},
		{
			name: "a password of another type", value: func(string) string { return `{"database_password":12345678}` },
			want: "field /database_password is a number, not a string",
		},
		{
			name: "no room for a longer value",
			value: func(s string) string {
				// The rig's first password has 26 characters, a new one has 32.
				return s + strings.Repeat(" ", document.MaxBytes-len(s))
			},
			want: "Secrets Manager stores at most 65536",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := deploy(t, neverRetried)
			in := &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretBinary: tc.binary}
			if tc.value != nil {
				in.SecretString = aws.String(tc.value(d.raw("AWSCURRENT")))
			}
			if tc.owner != "" {
				if err := d.AWS.SecretsManager.SetOwningService(d.SecretARN, tc.owner); err != nil {
					t.Fatal(err)
				}
			} else if _, err := d.Secrets.PutSecretValue(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			before := d.raw("AWSCURRENT")
			_, err := d.Rotate(t.Context())
			wantError(t, err, "createSecret: ", tc.want)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error quotes the value")
			}
			if d.raw("AWSCURRENT") != before || d.raw("AWSPENDING") != "" {
				t.Error("something was stored")
			}
			d.accepts(true, d.Password)
		})
	}
}

func TestAnEditMadeAfterCreateSecretIsNotUndone(t *testing.T) {
	d := deploy(t)
	token := d.beginByHand()
	for _, step := range []string{"createSecret", "setSecret", "testSecret"} {
		if err := d.Step(step, d.SecretARN, token); err != nil {
			t.Fatal(err)
		}
	}
	// As PutSecretValue by hand, but for AWSPENDING, which stays on the token.
	edited := strings.Replace(d.raw("AWSCURRENT"), "mautic.example.com", "www.example.com", 1)
	out, err := d.Secrets.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: &edited, VersionStages: []string{"EDIT"}})
	if err != nil {
		t.Fatal(err)
	}
	d.moveLabel("AWSCURRENT", *out.VersionId, d.labelled("AWSCURRENT").ID)
	// Secrets Manager has given the rotation up by now. Somebody insists.
	d.moveLabel("AWSPENDING", token, "")
	wantError(t, d.Step("finishSecret", d.SecretARN, token), "the secret was edited after this rotation began")
	if d.raw("AWSCURRENT") != edited {
		t.Error("the edit was lost")
	}
	d.accepts(true, d.Password)
}

func TestNoChangeBeginsWhenTheDeadlineIsNear(t *testing.T) {
	d := deploy(t, shipped, neverRetried, func(o *rig.Options) { o.Timeout = 10 * time.Second })
	_, err := d.Rotate(t.Context())
	wantError(t, err, "nothing was changed; raise the function's timeout")
	if d.raw("AWSPENDING") != "" {
		t.Error("a pending value was stored")
	}
}

func TestFaultsOfTheSettingsReachWhoeverRotates(t *testing.T) {
	d := deploy(t, shipped, neverRetried)
	d.reconfigure(map[string]string{"PASSWORD_LENGTH": "99", "DATABASE_PORT": "x"})
	_, err := d.Rotate(t.Context())
	wantError(t, err, "length 99", `"x" is not a port`)
}

func TestFinishSecretPromotesNoValueThatTheServerRefuses(t *testing.T) {
	d := deploy(t)
	token := d.beginByHand()
	if err := d.Step("createSecret", d.SecretARN, token); err != nil {
		t.Fatal(err)
	}
	// setSecret has not run: the pending value is not accepted anywhere.
	wantError(t, d.Step("finishSecret", d.SecretARN, token), "is not promoted, since its target does not accept it (denied)")
	if d.password("AWSCURRENT") != d.Password {
		t.Error("promoted all the same")
	}
}

func TestAPermissionThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"} {
		t.Run(operation, func(t *testing.T) {
			d := deploy(t, neverRetried)
			d.AWS.Intercept(denied("User is not authorized to perform: secretsmanager:"+operation, func(c wire.Call) bool { return c.Operation == operation }))
			_, err := d.Rotate(t.Context())
			wantError(t, err, "secretsmanager:"+operation)
			d.accepts(true, d.Password)
			d.AWS.Intercept(nil) // it is granted
			if err := d.tryAgain(); err != nil {
				t.Errorf("the rotation, tried again: %v", err)
			}
			d.accepts(true, d.Password, d.password("AWSCURRENT"))
		})
	}
}
