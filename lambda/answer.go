package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"mautic-rotation/rotation"
)

// answerSchema is the number of the answer's form. A field may be added without another
// number.
const answerSchema = 1

// An answer is what the function returns for an action that has not failed: what was
// done for each secret, and what is left. It holds what the log has of it, without
// secret values. docs/operate.md describes it.
type answer struct {
	Schema  int             `json:"schema"`
	Action  action          `json:"action"`
	Secrets []*secretAnswer `json:"secrets"`
}

// secretAnswer is what was done for one secret. Its lists are never null.
type secretAnswer struct {
	Secret  string   `json:"secret"`  // the ARN
	Changed []entry  `json:"changed"` // in the order in which it was done; What is the log's audit word
	Notices []string `json:"notices"` // for people
	Waiting []entry  `json:"waiting"` // what goes on by itself
	Needs   []entry  `json:"needs"`   // what needs a person
}

// entry is one thing that was done, or that is left.
type entry struct {
	What    string `json:"what,omitempty"`
	Kind    string `json:"kind,omitempty"`    // of credential; "": it is of the secret as a whole
	Version string `json:"version,omitempty"` // that has the value
	Service string `json:"service,omitempty"`
	Text    string `json:"text"`
}

// answers collects an answer from what is logged.
type answers struct {
	mu     sync.Mutex
	answer answer
}

// begin adds a secret. For one that is handled once more, it clears what was left before.
func (c *answers) begin(arn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &secretAnswer{Secret: arn, Changed: []entry{}, Notices: []string{}, Waiting: []entry{}, Needs: []entry{}}
	for i, known := range c.answer.Secrets {
		if known.Secret == arn {
			s.Changed, s.Notices = known.Changed, known.Notices // what was done is done
			c.answer.Secrets[i] = s
			return
		}
	}
	c.answer.Secrets = append(c.answer.Secrets, s)
}

// take adds a line of the log to the answer of its secret.
func (c *answers) take(message string, fields map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.answer.Secrets, func(s *secretAnswer) bool { return s.Secret == fields["secret"] })
	if at < 0 {
		return
	}
	s := c.answer.Secrets[at]
	e := entry{Kind: fields["kind"], Version: fields["of"], Service: fields["service"]}
	if e.Version == "" {
		e.Version = fields["version"]
	}
	switch {
	case fields["notice"] != "":
		s.Notices = append(s.Notices, message)
	case fields["audit"] != "":
		e.What, e.Text = fields["audit"], message
		s.Changed = append(s.Changed, e)
	case fields["decision"] == rotation.DecidedToAlarm:
		e.Text = fields["why"]
		s.Needs = append(s.Needs, e)
	case fields["decision"] == rotation.DecidedToWait:
		e.Text = fields["why"]
		s.Waiting = append(s.Waiting, e)
	}
}

// handler returns a slog.Handler that collects lines, whatever the level of next, and
// hands them to next.
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
