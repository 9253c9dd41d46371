package explore

import (
	"os"
	"testing"
	"time"
)

func TestTwo(t *testing.T) {
	for _, s := range Scenarios() {
		if s.Name != os.Getenv("SCENARIO") {
			continue
		}
		began := time.Now()
		e, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		e.Complete(2, nil)
		t.Logf("%s %+v %s", s.Name, e.Stats, time.Since(began))
		for _, v := range e.Found {
			t.Log(v)
		}
	}
}
