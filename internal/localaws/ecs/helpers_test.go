package ecs_test

import (
	"testing"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
)

type fixture struct{ localtest.Fixture }

func start(t *testing.T) *fixture {
	t.Helper()
	return &fixture{*localtest.Start(t, localaws.Options{})}
}
