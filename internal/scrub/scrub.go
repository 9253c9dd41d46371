// Package scrub keeps secret values out of logs and errors.
//
// It is the second line of defence: the first is not to put them there. Errors
// of servers and libraries quote more than one expects (MySQL's error 1064
// echoes the statement, with the password in it), so whatever leaves the
// process as text passes through here.
package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Replacement stands in the text where a secret value was.
const Replacement = "[secret]"

// Secrets holds the secret values that one invocation knows. It is safe for
// concurrent use; the zero value is ready and knows none.
type Secrets struct {
	mu       sync.Mutex
	values   []string
	replacer *strings.Replacer // of all values; nil: to be made
}

// Add makes values known. Empty ones are passed over.
func (s *Secrets) Add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range values {
		if value != "" && !slices.Contains(s.values, value) { // a version is read more than once
			s.values = append(s.values, value)
			s.replacer = nil
		}
	}
}

// Text returns text with every known value, in each form that it is commonly
// written in, replaced.
func (s *Secrets) Text(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) == 0 {
		return text
	}
	if s.replacer == nil { // most values come before the first text
		s.replacer = replacer(s.values)
	}
	return s.replacer.Replace(text)
}

func replacer(values []string) *strings.Replacer {
	var forms []string
	for _, value := range values {
		for _, form := range writtenForms(value) {
			if form != "" && !slices.Contains(forms, form) {
				forms = append(forms, form)
			}
		}
	}
	// Longest first, so that a value that contains another goes as a whole.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, Replacement)
	}
	return strings.NewReplacer(pairs...)
}

// Error returns an error with err's scrubbed text, and nil for nil. The result
// does not unwrap, since what is inside would still hold the values.
func (s *Secrets) Error(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(s.Text(err.Error()))
}

// writtenForms returns the ways in which a value shows up in other text: as it
// is, in JSON, in a URL, in an SQL string, in base64 and in hex.
func writtenForms(value string) []string {
	if value == "" {
		return nil
	}
	inJSON, _ := json.Marshal(value) // a string always encodes
	backslashed := strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`).Replace(value)
	return []string{
		value,
		strings.Trim(string(inJSON), `"`),
		url.QueryEscape(value),
		url.PathEscape(value),
		backslashed,
		strings.ReplaceAll(value, `'`, `''`),
		base64.StdEncoding.EncodeToString([]byte(value)),
		base64.RawURLEncoding.EncodeToString([]byte(value)),
		hex.EncodeToString([]byte(value)),
		strings.ToUpper(hex.EncodeToString([]byte(value))),
	}
}
