package mautic

import "testing"

func TestTheCSRFTokenIsFoundHoweverTheFieldIsWritten(t *testing.T) {
	for page, want := range map[string]string{
		`<input type="hidden" name="_csrf_token" value="a-b_c.D" />`:                                         "a-b_c.D",
		"<INPUT value='x&amp;y'\n\tname='_csrf_token'>":                                                      "x&y",
		`<input name="other" value="no"><p><input id="t" type="hidden" name = "_csrf_token" value = "yes" >`: "yes",
	} {
		if got, ok := csrfToken(page); !ok || got != want {
			t.Errorf("%s: got %q, %v", page, got, ok)
		}
	}
	for _, page := range []string{"", `<input name="_csrf_token">`, `<input name="csrf" value="_csrf_token">`, "welcome"} {
		if got, ok := csrfToken(page); ok {
			t.Errorf("%s: got %q", page, got)
		}
	}
}

func TestAPasswordOverPlainHTTPIsWarnedOf(t *testing.T) {
	for url, want := range map[string]bool{
		"https://mautic.example.com": false,
		"http://mautic.example.com":  true,
		"http://127.0.0.1:8080":      false,
		"http://localhost":           false,
		"http://[::1]/mautic":        false,
	} {
		s, err := Access{URL: url}.site()
		if err != nil || s.plain() != want {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAClientsPublicIDIsItsRowsIDAndItsRandomID(t *testing.T) {
	got, err := parseClientID("12_3bcbxd9e24g0gk4swg0kwgcwg4o8k8g4g888kwc44gcc0gwwk4")
	if err != nil || got.id != 12 || got.String() != "12_3bcbxd9e24g0gk4swg0kwgcwg4o8k8g4g888kwc44gcc0gwwk4" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, bad := range []string{"", "12", "12_", "_x", "0_x", "012_x", "-1_x", "1_x_y", "1_x y", "12345678901_x", "key"} {
		if _, err := parseClientID(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	a := clientID{1, "a"}
	b := clientID{101, standbyRandomID(a)}
	if !paired(a, b) || !paired(b, a) || paired(a, a) || paired(b, clientID{102, standbyRandomID(b) + "x"}) {
		t.Error("the pairs are wrong")
	}
}
