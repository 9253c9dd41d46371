package load

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var errRefused = errors.New("refused")

func TestStartReturnsWhenEachWorkerHasSucceededOnce(t *testing.T) {
	t.Parallel()
	var fast, slow atomic.Int64
	gate := make(chan struct{}) // the slow one waits for the fast one
	open := sync.OnceFunc(func() { close(gate) })
	l, err := Start(t.Context(), time.Millisecond,
		Worker{"fast", func(context.Context) error { fast.Add(1); open(); return nil }},
		Worker{"slow", func(context.Context) error { <-gate; slow.Add(1); return nil }})
	if err != nil || fast.Load() == 0 || slow.Load() == 0 {
		t.Fatalf("started after %d and %d attempts: %v", fast.Load(), slow.Load(), err)
	}
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if made, failed := l.Attempts(); made < 4 || failed != 0 { // one of each at once, and one at the end
		t.Errorf("%d of %d attempts failed", failed, made)
	}
}

func TestALoadThatFailsFromTheStartDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), time.Millisecond,
		Worker{"well", func(context.Context) error { return nil }},
		Worker{"with a wrong password", func(context.Context) error { return errRefused }})
	if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "with a wrong password") {
		t.Errorf("got %v", err)
	}
}

func TestAFailureIsToldWithWhoseItIs(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	l, err := Start(t.Context(), time.Millisecond, Worker{"by its password", func(context.Context) error {
		if broken.Load() {
			return errRefused
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true) // if nothing else, then the last attempt sees it
	err = l.Stop()
	var failed *FailedError
	if !errors.As(err, &failed) || !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "by its password") {
		t.Fatalf("got %v", err)
	}
	if made, n := l.Attempts(); made != failed.Attempts || n != failed.Failures || n == 0 || n > made {
		t.Errorf("%d of %d failed, and the error says %d of %d", n, made, failed.Failures, failed.Attempts)
	}
	if again := l.Stop(); !errors.Is(again, err) {
		t.Errorf("the second time: %v", again)
	}
}

func TestALoadThatObservedNothingFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		workers []Worker
		want    string
	}{
		"no worker": {nil, "nothing was observed"},
		"a worker that hangs after its first attempt": {[]Worker{hanging("by its password")}, "nothing was observed by its password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			l, err := Start(ctx, time.Millisecond, tc.workers...)
			if err != nil {
				t.Fatal(err)
			}
			if len(tc.workers) > 0 {
				cancel() // whoever started it loses patience
			}
			defer cancel()
			if err := l.Stop(); !errors.Is(err, ErrNothingObserved) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// hanging succeeds once and then waits until it is broken off.
func hanging(name string) Worker {
	var once atomic.Bool
	return Worker{name, func(ctx context.Context) error {
		if once.CompareAndSwap(false, true) {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}}
}

func TestALoadThatIsBrokenOffSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Start(ctx, time.Millisecond, Worker{"well", func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := l.Stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
