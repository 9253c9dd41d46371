package sns_test

import (
	"testing"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

type fixture struct{ localtest.Fixture }

func start(t *testing.T, o localaws.Options) *fixture {
	t.Helper()
	return &fixture{*localtest.Start(t, o)}
}
