package localaws_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/host"
)

type happened struct{ at time.Time }

func (h happened) When() time.Time { return h.at }

func TestTheSameRandomBytesGiveTheSameIDs(t *testing.T) {
	t.Parallel()
	draw := func(seed byte) string {
		r := host.NewRandom(rand.NewChaCha8([32]byte{seed}))
		return r.UUID() + r.Text(20, host.Letters) + string(rune('a'+r.Below(26)))
	}
	first, again := draw(1), draw(1)
	if first != again {
		t.Error("two sources with the same bytes differ")
	}
	if first == draw(2) {
		t.Error("other bytes make no difference")
	}
}

func TestAnAlarmRingsOnceTheClockHasPassedItUnlessItIsStopped(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	rung := make(chan string, 2)
	clock.At(clock.Now().Add(time.Hour), func() { rung <- "an hour" })
	stop := clock.At(clock.Now().Add(time.Minute), func() { rung <- "stopped" })
	stop()
	clock.Advance(59 * time.Minute)
	clock.Advance(2 * time.Minute)
	if got := <-rung; got != "an hour" {
		t.Errorf("%s rang", got)
	}
}

func TestClosingAHostEndsItsWorkAndTellsWhatHappenedBefore(t *testing.T) {
	t.Parallel()
	h := host.New(host.Account{}, nil, nil)
	var seen []host.Event
	h.Events.Subscribe(func(e host.Event) { seen = append(seen, e) })
	ended := false
	h.Spawn(func() {
		<-h.Context().Done()
		ended = true
	})
	h.Events.Emit(happened{h.Clock.Now()})
	h.Close()
	if !ended || len(seen) != 1 {
		t.Errorf("the work has ended: %v; seen: %v", ended, seen)
	}
	if h.Spawn(func() {}) {
		t.Error("a closed host starts work")
	}
	if _, err := h.Events.Wait(t.Context(), func(host.Event) bool { return false }); !errors.Is(err, host.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAsynchronousWorkIsIdleOnceAllOfItHasEnded(t *testing.T) {
	t.Parallel()
	h := host.New(host.Account{}, nil, nil)
	defer h.Close()
	async := host.NewAsync(h)
	release := make(chan struct{})
	async.Go(func() { <-release })
	changed, idle := async.State()
	if idle {
		t.Error("idle while work is under way")
	}
	close(release)
	<-changed
	if _, idle := async.State(); !idle {
		t.Error("not idle after the work")
	}
}
