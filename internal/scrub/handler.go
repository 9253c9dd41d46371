package scrub

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// Handler returns a slog.Handler that scrubs messages and attributes before it
// hands them to next. The keys, which the program chooses, stay as they are, and so do
// the values of those keys that are identifiers: names and ids of AWS's or the program's own, by
// which lines are found again. A password may be a part of one by chance ("prod"), and tells nothing
// there that is not known without it.
func Handler(next slog.Handler, secrets *Secrets, identifiers ...string) slog.Handler {
	return handler{next, secrets, identifiers}
}

type handler struct {
	slog.Handler
	secrets     *Secrets
	identifiers []string
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.secrets.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return handler{h.Handler.WithAttrs(clean), h.secrets, h.identifiers}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.secrets, h.identifiers}
}

func (h handler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindString && slices.Contains(h.identifiers, a.Key) {
		return a
	}
	switch v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.secrets.Text(v.String()))
	case slog.KindGroup:
		members := v.Group()
		clean := make([]any, len(members))
		for i, m := range members {
			clean[i] = h.attr(m)
		}
		return slog.Group(a.Key, clean...)
	case slog.KindAny:
		// An error, a Stringer, a struct: as text, since there is no telling
		// what an encoder would find in it.
		return slog.String(a.Key, h.secrets.Text(fmt.Sprint(v.Any())))
	default: // numbers, booleans, times, durations
		return a
	}
}
