package localaws_test

import (
	"testing"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
)

// The tests of all services are in this package: each test program takes a second to
// link, which is more than most services' tests take. A file's name begins with its
// service's. What a test needs of a service's inside stands beside the service.

func TestMain(m *testing.M) { localtest.Main(m) }

type fixture struct{ localtest.Fixture }

func start(t *testing.T, o localaws.Options) *fixture {
	t.Helper()
	return &fixture{*localtest.Start(t, o)}
}
