package main

import (
	"cmp"
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/report"
)

// answers collects what the function returns for a successful action: what the engine has found,
// and what was done according to the log. docs/operate.md describes it.
type answers struct {
	mu      sync.Mutex
	secrets []report.Secret
	told    []string // the notices' words, each once
}

// begin adds a secret. If it is handled a second time, what was done before is kept.
func (c *answers) begin(arn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.secrets, func(s report.Secret) bool { return s.ARN == arn }) {
		c.secrets = append(c.secrets, report.Secret{ARN: arn, Changed: []report.Entry{}, Notices: []string{}})
	}
}

// end records what the engine has found for a secret.
func (c *answers) end(found report.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.secrets {
		if s.ARN == found.ARN {
			found.Changed, found.Notices = s.Changed, s.Notices
			c.secrets[i] = found
		}
	}
}

// failed adds an action's error to the answer of its secret, if the action has already changed
// something. Otherwise it does nothing, and returns false.
func (c *answers) failed(arn string, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.secrets {
		if s.ARN == arn && len(s.Changed) > 0 {
			c.secrets[i].Error = err.Error()
			return true
		}
	}
	return false
}

// report is the whole answer, scrubbed of the secret values known so far. now is the time to use
// if AWS reported none.
func (c *answers) report(to action, now time.Time, secrets *scrub.Secrets) report.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := report.Report{Schema: report.Schema, Action: string(to), Secrets: slices.Clone(c.secrets)}
	for _, s := range r.Secrets {
		if s.At.After(r.At) {
			r.At = s.At
		}
	}
	if r.At.IsZero() {
		r.At = now.UTC()
	}
	scrubIn(reflect.ValueOf(&r), secrets)
	forPeople(&r, c.told)
	return r
}

// forPeople adds what EventBridge makes messages from, if there is a notice.
func forPeople(r *report.Report, told []string) {
	var notices []string
	next, waits := "", false
	for _, s := range r.Secrets {
		for _, notice := range s.Notices {
			if !strings.HasSuffix(notice, ".") {
				notice += "."
			}
			notices = append(notices, notice)
		}
		for _, need := range s.Needs {
			next = cmp.Or(next, need.Remedy, need.Text)
		}
		waits = waits || len(s.Waiting) > 0
	}
	switch {
	case len(notices) == 0:
		return
	case next != "":
		next += ". mautic-rotation status shows more."
	case waits:
		next = "Nothing: it continues by itself."
	default:
		next = "Nothing: it is complete."
	}
	r.Notice, r.Next, r.Told = report.Plain(strings.Join(notices, " "), report.NoticeMost), report.Plain(next, report.NextMost), told
}

// identifiers are the attributes of a log line that contain no text, but names and ids that
// answers and the operator's program compare.
var identifiers = []string{"requestId", "secret", "step", "action", "version", "kind", "of", "from", "to", "service", "audit", "notice", "tells", "decision"}

// scrubIn removes secret values from all texts in a value. What package report tags as an
// identifier stays, and so do AWS's and this function's labels, which consist of identifiers.
func scrubIn(v reflect.Value, secrets *scrub.Secrets) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scrubIn(v.Elem(), secrets)
		}
	case reflect.Slice:
		for i := range v.Len() {
			scrubIn(v.Index(i), secrets)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		if label, is := v.Interface().(report.Label); is && label.Own {
			return
		}
		for i := range v.NumField() {
			if _, is := v.Type().Field(i).Tag.Lookup("identifier"); !is {
				scrubIn(v.Field(i), secrets)
			}
		}
	case reflect.String:
		v.SetString(secrets.Text(v.String()))
	}
}

// take adds a line of the log to the answer of its secret.
func (c *answers) take(message string, fields map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.secrets, func(s report.Secret) bool { return s.ARN == fields["secret"] })
	if at < 0 {
		return
	}
	s := &c.secrets[at]
	switch {
	case fields["notice"] != "", fields["tells"] != "":
		s.Notices = append(s.Notices, message)
		if word := cmp.Or(fields["notice"], fields["tells"]); !slices.Contains(c.told, word) {
			c.told = append(c.told, word)
		}
	case fields["audit"] != "":
		e := report.Entry{What: fields["audit"], Kind: fields["kind"], Version: fields["of"], Service: fields["service"], Text: message}
		if e.Version == "" {
			e.Version = fields["version"]
		}
		s.Changed = append(s.Changed, e)
	}
}

// handler returns a slog.Handler that collects lines, whatever the level of next, and passes them
// to next.
func (c *answers) handler(next slog.Handler) slog.Handler { return collecting{next, c, nil} }

type collecting struct {
	next slog.Handler
	to   *answers
	with []slog.Attr
}

func (h collecting) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

func (h collecting) Handle(ctx context.Context, r slog.Record) error {
	fields := map[string]string{}
	for _, a := range h.with {
		fields[a.Key] = a.Value.String()
	}
	r.Attrs(func(a slog.Attr) bool {
		fields[a.Key] = a.Value.String()
		return true
	})
	h.to.take(r.Message, fields)
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h collecting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return collecting{h.next.WithAttrs(attrs), h.to, slices.Concat(h.with, attrs)}
}

// WithGroup is not used by this program: fields of a group are not collected.
func (h collecting) WithGroup(name string) slog.Handler { return h.next.WithGroup(name) }
