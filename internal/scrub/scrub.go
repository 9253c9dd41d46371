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
	mu       sync.RWMutex
	forms    []string
	replacer *strings.Replacer
}

// Add makes values known. Empty ones are passed over.
func (s *Secrets) Add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" || slices.Contains(s.forms, v) })
	if len(values) == 0 {
		return // a version is read more than once
	}
	for _, value := range values {
		for _, form := range writtenForms(value) {
			if form != "" && !slices.Contains(s.forms, form) {
				s.forms = append(s.forms, form)
			}
		}
	}
	// Longest first, so that a value that contains another goes as a whole.
	slices.SortFunc(s.forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(s.forms))
	for _, form := range s.forms {
		pairs = append(pairs, form, Replacement)
	}
	s.replacer = strings.NewReplacer(pairs...)
}

// Text returns text with every known value, in each form that it is commonly
// written in, replaced.
func (s *Secrets) Text(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
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
