package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

const canary = `Kanarien/vogel+"7'\%`

func written() map[string]string {
	inJSON, _ := json.Marshal(canary)
	return map[string]string{
		"plain":      canary,
		"JSON":       string(inJSON),
		"URL query":  url.QueryEscape(canary),
		"URL path":   url.PathEscape(canary),
		"SQL":        `ALTER USER u IDENTIFIED BY 'Kanarien/vogel+\"7\'\\%'`,
		"ANSI SQL":   `ALTER USER u IDENTIFIED BY 'Kanarien/vogel+"7''\%'`,
		"base64":     base64.StdEncoding.EncodeToString([]byte(canary)),
		"base64 URL": base64.RawURLEncoding.EncodeToString([]byte(canary)),
		"hex":        hex.EncodeToString([]byte(canary)),
		"HEX":        fmt.Sprintf("%X", canary),
	}
}

func TestTextReplacesAValueInEveryFormItIsCommonlyWrittenIn(t *testing.T) {
	var secrets Secrets
	secrets.Add(canary, "")
	for form, text := range written() {
		got := secrets.Text("before " + text + " after")
		if strings.Contains(got, text) || !strings.Contains(got, Replacement) ||
			!strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
			t.Errorf("%s: %s", form, got)
		}
	}
}

func TestAValueThatContainsAnotherGoesAsAWhole(t *testing.T) {
	var secrets Secrets
	secrets.Add("abcdef", "abcdefghij", "abc")
	if got := secrets.Text("x abcdefghij y"); got != "x "+Replacement+" y" {
		t.Errorf("got %q, which shows a part of the longer value", got)
	}
}

func TestErrorHidesTheValueAndWhatItWraps(t *testing.T) {
	var secrets Secrets
	inner := errors.New("near '" + canary + "'")
	err := fmt.Errorf("alter: %w", inner)
	if secrets.Error(nil) != nil {
		t.Error("nil became an error")
	}
	secrets.Add(canary)
	clean := secrets.Error(err)
	if strings.Contains(clean.Error(), canary) || errors.Is(clean, inner) {
		t.Errorf("the value can still be reached: %v", clean)
	}
}

func TestAnIdentifierStaysWhateverAPasswordIs(t *testing.T) {
	var out bytes.Buffer
	var secrets Secrets
	secrets.Add("prod")
	log := slog.New(Handler(slog.NewTextHandler(&out, nil), &secrets, "secret")).With("secret", "mautic-prod-secrets")
	log.Info("prod", "secret", "mautic-prod-secrets", "cause", "mautic-prod-secrets")
	if line := out.String(); strings.Count(line, "secret=mautic-prod-secrets") != 2 || strings.Count(line, "prod") != 2 {
		t.Errorf("the log has %s", line)
	}
}

func TestHandlerScrubsMessagesAndAttributesOfEveryKind(t *testing.T) {
	var out bytes.Buffer
	var secrets Secrets
	log := slog.New(Handler(slog.NewJSONHandler(&out, nil), &secrets)).With("bound", "value")
	secrets.Add(canary)
	for _, text := range written() {
		log.With("with", text).WithGroup("g").Info("message "+text,
			"string", text, "error", errors.New(text), "group", slog.GroupValue(slog.String("inner", text)),
			"struct", struct{ Field string }{text}, "bytes", []string{text}, "n", 7)
	}
	for form, text := range written() {
		if strings.Contains(out.String(), text) {
			t.Errorf("%s is in the log:\n%s", form, out.String())
		}
	}
	if !strings.Contains(out.String(), `"n":7`) || !strings.Contains(out.String(), `"bound":"value"`) {
		t.Errorf("what is no secret is missing:\n%s", out.String())
	}
}
