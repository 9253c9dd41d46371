package smtp

import (
	"fmt"
	"strings"
	"testing"

	"mautic-rotation/rotation/document"
)

func parse(t *testing.T, text string) document.Document {
	t.Helper()
	d, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheRegionIsInTheNameOfSESsEndpoints(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"email-smtp.eu-west-1.amazonaws.com":                               "eu-west-1",
		"Email-SMTP.Us-East-2.amazonaws.com":                               "us-east-2",
		"email-smtp-fips.us-gov-west-1.amazonaws.com":                      "us-gov-west-1",
		"email-smtp.cn-north-1.amazonaws.com.cn":                           "cn-north-1",
		"vpce-0a1b2c-3d4e.email-smtp.ap-southeast-2.vpce.amazonaws.com":    "ap-southeast-2",
		"email-smtp.eu-west-1.api.aws":                                     "eu-west-1",
		"email-smtp-fips.us-east-1.api.aws":                                "us-east-1",
		"email-smtp.cn-north-1.api.amazonwebservices.com.cn":               "cn-north-1",
		"email-smtp.eu-west-1.api.aws.example.com":                         "",
		"email-smtp.eu-west-1.amazonaws.com.example.com":                   "",
		"email.eu-west-1.amazonaws.com":                                    "",
		"smtp.example.com":                                                 "",
		"127.0.0.1":                                                        "",
		"not-email-smtp.eu-west-1.amazonaws.com":                           "",
		"email-smtp.eu-west-1.amazonaws.com/":                              "",
		strings.Repeat("a.", 10) + "email-smtp.eu-west-1.amazonaws.com.cn": "eu-west-1",
	} {
		if got := regionOf(host); got != want {
			t.Errorf("%s: %q", host, got)
		}
	}
}

func TestTheServerIsWhatTheSecretSaysAndElseTheSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fields string
		config Config
		want   string // with the region, or in the error
	}{
		{`"smtp_host": "email-smtp.eu-west-1.amazonaws.com", "smtp_port": 465`, Config{Host: "other", Port: 25, Region: "us-east-1"}, "email-smtp.eu-west-1.amazonaws.com:465 eu-west-1"},
		{`"smtp_host": "mail.example.com", "smtp_port": "2587"`, Config{Region: "us-east-1"}, "mail.example.com:2587 us-east-1"},
		{`"smtp_host": ""`, Config{Host: "email-smtp.eu-west-1.amazonaws.com", Port: 25}, "email-smtp.eu-west-1.amazonaws.com:25 eu-west-1"},
		{`"a": 1`, Config{Region: "eu-west-3"}, "email-smtp.eu-west-3.amazonaws.com:587 eu-west-3"},
		{`"a": 1`, Config{Region: "cn-north-1"}, "email-smtp.cn-north-1.amazonaws.com.cn:587 cn-north-1"},
		{`"a": 1`, Config{Host: "mail.example.com"}, "mail.example.com:587 "},
		{`"a": 1`, Config{}, "SMTP_HOST or SMTP_REGION"},
		{`"smtp_host": 5`, Config{Region: "eu-west-1"}, "smtp_host is a number"},
		{`"smtp_port": "many"`, Config{Region: "eu-west-1"}, "smtp_port is a string, not a whole number"},
		{`"smtp_port": 70000`, Config{Region: "eu-west-1"}, "70000, which is not a port"},
	} {
		at, err := New(c.config).endpoint(parse(t, `{"email_configuration": {`+c.fields+`}}`))
		if got := fmt.Sprint(at, " ", at.region); err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s, %v", c.fields, got, err)
		}
	}
}

func TestACredentialIsAUserNameAndAPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc    string
		fields int
		fault  string
	}{
		{`{"email_configuration": {"smtp_username": "AKIA", "smtp_password": "p", "smtp_host": "h"}}`, 2, ""},
		{`{"email_configuration": {"smtp_username": "", "smtp_password": ""}}`, 0, ""},
		{`{"database_password": "p"}`, 0, ""},
		{`{"email_configuration": {"smtp_username": "AKIA"}}`, 0, "store both, or neither"},
		{`{"email_configuration": {"smtp_username": "", "smtp_password": "p"}}`, 0, "store both, or neither"},
		{`{"email_configuration": {"smtp_username": 1, "smtp_password": "p"}}`, 0, "smtp_username is a number"},
		{`{"email_configuration": {"smtp_username": "AKIA", "smtp_password": null}}`, 0, "store both, or neither"},
	} {
		fields, err := New(Config{}).Fields(parse(t, c.doc))
		if len(fields) != c.fields || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, %v", c.doc, fields, err)
		}
	}
	elsewhere := New(Config{Layout: Layout{Username: "/mail/user", Password: "/mail/pass"}})
	if fields, err := elsewhere.Fields(parse(t, `{"mail": {"user": "AKIA", "pass": "p"}}`)); err != nil || len(fields) != 2 || fields[1] != "/mail/pass" {
		t.Errorf("in another layout: %v, %v", fields, err)
	}
}
