package rotation

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestEnoughTimeLooksAtTheDeadline(t *testing.T) {
	if err := enoughTime(context.Background()); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
	for left, want := range map[time.Duration]bool{timeToChange + time.Minute: true, timeToChange / 2: false} {
		ctx, cancel := context.WithTimeout(context.Background(), left)
		if err := enoughTime(ctx); (err == nil) != want || !want && !errors.Is(err, ErrTooLittleTime) {
			t.Errorf("with %s left: %v", left, err)
		}
		if err := (&run{Rotator: &Rotator{}}).enoughTimeToWatch(ctx); (err == nil) != want || !want && !errors.Is(err, ErrTooLittleTime) {
			t.Errorf("for a watch, with %s left: %v", left, err)
		}
		cancel()
	}
}
