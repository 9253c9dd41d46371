package explore

import (
	"strings"
	"testing"
	"time"
)

func TestUndisturbed(t *testing.T) {
	for _, s := range Scenarios() {
		began := time.Now()
		e, err := New(s)
		if err != nil {
			var b strings.Builder
			_, _ = Replay(s, nil, &b)
			t.Fatalf("%v\n%s", err, b.String())
		}
		e.Complete(0, nil)
		t.Log(s.Name, e.Stats, time.Since(began))
		for _, v := range e.Found {
			var b strings.Builder
			_, _ = Replay(s, v.Script, &b)
			t.Fatalf("%s\n%s", v, b.String())
		}
	}
}

func TestOne(t *testing.T) {
	for _, s := range Scenarios() {
		began := time.Now()
		e, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		e.Complete(1, nil)
		t.Log(s.Name, e.Stats, time.Since(began))
		for _, v := range e.Found {
			t.Log(v)
		}
	}
}
