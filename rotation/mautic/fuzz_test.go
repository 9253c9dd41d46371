package mautic

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzCSRFToken reads any page, and one with a token in its login form, between
// other attributes and whatever else is on the page.
func FuzzCSRFToken(f *testing.F) {
	f.Add("<html>", "a-b_c.D", "data-value", "no")
	f.Add(`<input name="_csrf_token">`, `"><&'`, "title", `' value="no" name="_csrf_token`)
	f.Add(`<input name='_csrf_token`, "\xff\x00é", "value2", ">")
	f.Add(strings.Repeat("<input ", 10000), "t", "x", "")
	f.Add(`<input value=unquoted name=_csrf_token>`, "", "name", "x")
	f.Fuzz(func(t *testing.T, before, token, attribute, value string) {
		if got, ok := csrfToken(before); ok && !strings.Contains(html.UnescapeString(before), got) {
			t.Fatalf("%q is not in the page", got)
		}
		if strings.ContainsAny(before, "<") || attribute == "" || strings.Trim(strings.ToLower(attribute), "abcdefghijklmnopqrstuvwxyz-") != "" ||
			strings.EqualFold(attribute, "name") || strings.EqualFold(attribute, "value") {
			return
		}
		quoted := func(name, value string) string { return " " + name + `="` + html.EscapeString(value) + `"` }
		single := func(name, value string) string { return " " + name + `='` + html.EscapeString(value) + `'` }
		for _, tag := range []string{
			quoted(attribute, value) + quoted("name", "_csrf_token") + quoted("value", token),
			single("value", token) + single(attribute, value) + single("name", "_csrf_token"),
			" " + attribute + quoted("NAME", "_csrf_token") + " VALUE = '" + html.EscapeString(token) + "' /",
		} {
			if got, ok := csrfToken(before + "<input" + tag + ">" + "<input" + quoted("name", "_other") + quoted("value", "no") + ">"); !ok || got != token {
				t.Fatalf("%q: got %q, %v, want %q", tag, got, ok, token)
			}
		}
	})
}

// answers is a Mautic that answers every request alike.
type answers struct {
	status         int
	location, body string
	broken         bool
	read           *int64
	requests       *int
}

func (a answers) RoundTrip(request *http.Request) (*http.Response, error) {
	*a.requests++
	if a.broken {
		return nil, errors.New("broken: " + request.URL.Redacted())
	}
	header := http.Header{"Set-Cookie": {a.location + "=" + a.location}}
	if a.location != "" {
		header.Set("Location", a.location)
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(counting{endless(a.body), a.read}), Request: request}, nil
}

// endless repeats a body for longer than anybody should read.
func endless(body string) io.Reader {
	if len(body) < 1<<10 {
		return strings.NewReader(body)
	}
	return io.LimitReader(over(body), 8*pageLimit)
}

type over string

func (r over) Read(p []byte) (int, error) { return copy(p, r), nil }

type counting struct {
	io.Reader
	n *int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// FuzzSite asks a Mautic that answers anything, by a URL that has a password. No
// error has a password or a token in it, or is longer than a person reads; no
// page is read to an end that never comes; and nobody is signed in by a page
// that is not what Mautic answers then.
func FuzzSite(f *testing.F) {
	f.Add("https://mautic.example.com/sub", 200, "", `<input name="_csrf_token" value="x">`, false)
	f.Add("https://user:word@h", 302, "https://evil.example/s/login?next="+strings.Repeat("x", 5000), "", false)
	f.Add("http://[::1]:1/%zz?q#f", 302, "/s/login", `<input name="_csrf_token" value="x">`, false)
	f.Add("https://h", 200, "", `{"access_token":"canary-of-a-token\n\u0000"}`, false)
	f.Add("https://h", 200, "", `{"access_token":"canary-of-a-token"}`, false)
	f.Add("https://h", 400, "", `{"error":{"x":"invalid_client"}}`, false)
	f.Add("https://h", 403, "\x7f\xff", "api_disabled", false)
	f.Add("https://h", 500, "", strings.Repeat("<input ", 1000), false)
	f.Add("https://h", -1, "/"+strings.Repeat("é", 4000), "", true)
	f.Fuzz(func(t *testing.T, url string, status int, location, body string, broken bool) {
		const password, token, inURL = "canary-of-a-password", "canary-of-a-token", "canary-in-the-url"
		if strings.Contains(url+location, "canary") {
			return
		}
		for _, base := range []string{url, strings.Replace(url, "://", "://user:"+inURL+"@", 1)} {
			var read int64
			var requests int
			client := &http.Client{Transport: answers{status, location, body, broken, &read, &requests}}
			s, err := Access{URL: base, Client: client}.site()
			if err != nil {
				if strings.Contains(err.Error(), inURL) {
					t.Fatalf("the error has the URL's password: %v", err)
				}
				continue
			}
			if s == nil {
				continue
			}
			check := func(err error) {
				t.Helper()
				if err == nil {
					return
				}
				for _, secret := range []string{password, token, inURL} {
					if strings.Contains(err.Error(), secret) {
						t.Fatalf("the error has a secret in it: %v", err)
					}
				}
				if most := 2000 + 4*len(url); len(err.Error()) > most {
					t.Fatalf("an error of %d bytes", len(err.Error()))
				}
			}
			outcome, err := s.formLogin(t.Context(), "admin", password)
			check(err)
			if err == nil {
				t.Fatalf("%s by one and the same answer to three requests", outcome)
			}
			outcome, err = s.basicAuth(t.Context(), "admin", password)
			check(err)
			if (err == nil) != (status == http.StatusOK && !broken && s.base.User == nil) {
				t.Fatalf("status %d: %s, %v", status, outcome, err)
			}
			got, err := s.token(t.Context(), "1_x", password)
			check(err)
			if (got == "") == (err == nil) || err == nil && status != http.StatusOK {
				t.Fatalf("status %d: a token of %d bytes, %v", status, len(got), err)
			}
			if err == nil {
				check(s.callAPI(t.Context(), got))
			}
			check(s.check(t.Context()))
			if health, err := NewHealth(base, client); err == nil && strings.Contains(fmt.Sprint(health.Check(t.Context())), inURL) {
				t.Fatal("the URL's password is told as an illness")
			}
			if most := int64(requests) * (pageLimit + 512); read > most {
				t.Fatalf("%d bytes were read in %d requests", read, requests)
			}
		}
	})
}

// FuzzParseClientID reads public keys of API clients.
func FuzzParseClientID(f *testing.F) {
	for _, public := range []string{"1_3bcbxd9e24", "4294967295_x", "4294967296_x", "9999999999_x", "01_x", "1_" + strings.Repeat("a", 192), "1_é", "1_x\n", "\xff"} {
		f.Add(public)
	}
	f.Fuzz(func(t *testing.T, public string) {
		c, err := parseClientID(public)
		if err != nil {
			if strings.Contains(err.Error(), public) && len(public) > 20 {
				t.Fatalf("the error quotes it: %v", err)
			}
			return
		}
		if c.String() != public || c.id < 1 || c.id > 1<<32-1 || len(c.random) > 191 || !utf8.ValidString(c.random) {
			t.Fatalf("%q is read as %+v", public, c)
		}
		standby := clientID{c.id%(1<<32-1) + 1, standbyRandomID(c)}
		if again, err := parseClientID(standby.String()); err != nil || again != standby || !paired(c, again) {
			t.Fatalf("the standby of %q: %+v, %v", public, again, err)
		}
	})
}
