package secret

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestARetryEndsWithSuccessWithAnotherErrorOrAfterItsAttempts(t *testing.T) {
	r := retry{attempts: 4, pause: time.Microsecond, clock: MachineClock{}}
	lag, other := lagging{errors.New("not yet")}, errors.New("no")
	for _, tc := range []struct {
		name    string
		answers []error // the last one goes on
		want    error
		calls   int
	}{
		{"at once", []error{nil}, nil, 1},
		{"after a while", []error{lag, lag, nil}, nil, 3},
		{"never", []error{lag}, lag, 4},
		{"for good", []error{lag, other}, other, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls := 0
			err := r.do(t.Context(), func() error {
				calls++
				return tc.answers[min(calls, len(tc.answers))-1]
			})
			if !errors.Is(err, tc.want) || calls != tc.calls {
				t.Errorf("got %v after %d calls, want %v after %d", err, calls, tc.want, tc.calls)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (retry{attempts: 9, pause: time.Hour, clock: MachineClock{}}).do(ended, func() error { return lag }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
