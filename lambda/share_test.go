package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation"
)

// secret is what handling a secret takes.
type secret struct {
	takes time.Duration
	needs time.Duration // that it does not begin without
	hangs bool
	err   error
}

// turns handles secrets in an invocation of two minutes, and returns which were
// handled when, with what is left of the context's time.
func turns(t *testing.T, secrets map[string]secret, order ...string) (handled []string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		began := time.Now()
		err = inTurn(ctx, order, func(ctx context.Context, arn string, mayWait bool) error {
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Error("no deadline")
			}
			s, left := secrets[arn], time.Until(deadline)
			line := fmt.Sprintf("%s at %s has %s", arn, time.Since(began), left)
			if mayWait {
				line += ", may wait"
			}
			handled = append(handled, line)
			switch {
			case left < s.needs:
				return fmt.Errorf("%s: %w", arn, rotation.ErrTooLittleTime)
			case s.hangs:
				<-ctx.Done()
				return withCause(ctx, fmt.Errorf("%s: %w", arn, ctx.Err()))
			}
			time.Sleep(s.takes)
			return s.err
		})
	})
	return handled, err
}

func TestEachSecretGetsItsShareOfAnInvocationsTime(t *testing.T) {
	t.Parallel()
	broken := errors.New("it is broken")
	for _, tc := range []struct {
		name    string
		secrets map[string]secret
		order   []string
		want    []string
		errs    []string
	}{
		{
			name: "the first one's target hangs", order: []string{"a", "b", "c"},
			secrets: map[string]secret{"a": {hangs: true}, "b": {takes: time.Second}, "c": {takes: time.Second}},
			want:    []string{"a at 0s has 40s, may wait", "b at 40s has 40s, may wait", "c at 41s has 1m19s"},
			errs:    []string{"the secret's share of the invocation's time, 40s, is over: find out what does not answer, or raise the function's timeout: a: context deadline exceeded"},
		},
		{
			name: "one alone has all the time", order: []string{"a"},
			secrets: map[string]secret{"a": {needs: time.Minute}},
			want:    []string{"a at 0s has 2m0s"},
		},
		{
			name: "one that needs more than a share waits for the others", order: []string{"a", "b", "c"},
			secrets: map[string]secret{"a": {needs: 50 * time.Second, takes: 30 * time.Second}, "b": {takes: time.Second}, "c": {takes: time.Second}},
			want:    []string{"a at 0s has 40s, may wait", "b at 0s has 1m0s, may wait", "c at 1s has 1m59s", "a at 2s has 1m58s"},
		},
		{
			name: "all need more than a share", order: []string{"a", "b", "c"},
			secrets: map[string]secret{"a": {needs: 50 * time.Second, takes: 30 * time.Second}, "b": {needs: 50 * time.Second, takes: 30 * time.Second}, "c": {needs: 50 * time.Second, takes: 30 * time.Second}},
			want:    []string{"a at 0s has 40s, may wait", "b at 0s has 1m0s, may wait", "c at 30s has 1m30s", "a at 1m0s has 1m0s"},
		},
		{
			name: "one needs more than is left", order: []string{"a", "b"},
			secrets: map[string]secret{"a": {needs: time.Hour}, "b": {takes: time.Second}},
			want:    []string{"a at 0s has 1m0s, may wait", "b at 0s has 2m0s", "a at 1s has 1m59s"},
			errs:    []string{"a: too little time"},
		},
		{
			name: "the last one needs more than there is: no more will be left later", order: []string{"a", "b"},
			secrets: map[string]secret{"a": {takes: time.Second}, "b": {needs: time.Hour}},
			want:    []string{"a at 0s has 1m0s, may wait", "b at 1s has 1m59s"},
			errs:    []string{"b: too little time"},
		},
		{
			name: "one fails", order: []string{"a", "b"},
			secrets: map[string]secret{"a": {err: broken}, "b": {err: broken}},
			want:    []string{"a at 0s has 1m0s, may wait", "b at 0s has 2m0s"},
			errs:    []string{"it is broken", "it is broken"},
		},
		{
			name: "the last one hangs until the invocation's time is over", order: []string{"a", "b"},
			secrets: map[string]secret{"b": {hangs: true}},
			want:    []string{"a at 0s has 1m0s, may wait", "b at 0s has 2m0s"},
			errs:    []string{"b: context deadline exceeded"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			handled, err := turns(t, tc.secrets, tc.order...)
			if !slices.Equal(handled, tc.want) {
				t.Errorf("got  %q\nwant %q", handled, tc.want)
			}
			text := ""
			if err != nil {
				text = err.Error()
			}
			if want := strings.Join(tc.errs, "\n"); text != want {
				t.Errorf("got error  %s\nwant error %s", text, want)
			}
		})
	}
}

func TestASecretThatHangsDoesNotKeepTheNextFromBeingHandled(t *testing.T) {
	d := deploy(t, func(o *rig.Options) { o.Timeout = 15 * time.Second })
	second := d.otherSecret("second", d.User+"_2", rig.Privileges...)
	third := d.otherSecret("third", d.User+"_3", rig.Privileges...)
	d.reconfigure(map[string]string{"SECRET_ARNS": strings.Join([]string{d.SecretARN, second, third}, ",")})
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	d.AWS.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Caller.Function != "" && c.SecretID == d.SecretARN {
			fault.Before = func() { <-ended }
		}
		return fault
	})
	err := d.Invoke([]byte(`{"Action": "reconcile"}`))
	wantError(t, err, "the secret's share of the invocation's time, ", "is over: find out what does not answer, or raise the function's timeout", "deadline exceeded")
	got := map[any]any{}
	for _, line := range d.lines() {
		if text, _ := line["message"].(string); strings.HasPrefix(text, "reconcile ") {
			got[line["secret"]] = text
		}
	}
	if len(got) != 3 || got[d.SecretARN] != "reconcile failed" || got[second] != "reconcile succeeded" || got[third] != "reconcile succeeded" {
		t.Errorf("got %v", got)
	}
}
