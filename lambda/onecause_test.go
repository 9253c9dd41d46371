package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

// What the preflight says when the database is the only thing that is wrong. All of
// Mautic's own credentials are reached by way of it.

func TestOneThingThatIsWrongWithTheDatabaseIsOneFindingOfThePreflight(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(t *testing.T, m *mauticDeployment) string // of the document
		wants  []string
	}{
		"a wrong password": {
			func(_ *testing.T, m *mauticDeployment) string {
				return strings.Replace(m.raw("AWSCURRENT"), strconv.Quote(m.Password), `"mistyped-by-hand"`, 1)
			}, []string{"MySQL error 1045"},
		},
		"a server that is frozen": {
			func(t *testing.T, m *mauticDeployment) string {
				return strings.Replace(m.raw("AWSCURRENT"), strconv.Itoa(m.MySQL.Port()), strconv.Itoa(frozen(t)), 1)
			}, []string{"may be frozen"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := deployMautic(t, &rig.Application{})
			m.mustPreflight()
			before := m.raw("AWSCURRENT")
			changed := tc.change(t, m)
			if changed == before {
				t.Fatal("nothing was changed")
			}
			m.put(changed)
			from, began := m.mark(), time.Now()
			err := m.preflight()
			wantError(t, err, tc.wants...)
			log := m.log.String()[from:]
			if found := strings.Count(log, `"problem":`); found != 1 {
				t.Errorf("%d findings: %v", found, err)
			}
			for _, part := range []string{"admin", "api", "webhook", "health"} {
				if !strings.Contains(log, `"part":"`+part+`","result":"not looked at","before":"database"`) {
					t.Errorf("nothing is said of %s", part)
				}
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			m.put(before)
		})
	}
}

// frozen is the port of a server that takes connections and says nothing.
func frozen(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { connection.Close() })
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}
