package scrub

import "context"

type key struct{}

// NewContext returns a context that carries the secrets of an invocation, for
// what reads further secrets on the way.
func NewContext(ctx context.Context, s *Secrets) context.Context {
	return context.WithValue(ctx, key{}, s)
}

// FromContext returns the secrets that a context carries; where it carries
// none, ones that nobody looks at.
func FromContext(ctx context.Context) *Secrets {
	if s, ok := ctx.Value(key{}).(*Secrets); ok {
		return s
	}
	return &Secrets{}
}
