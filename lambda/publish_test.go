package main

import (
	"strings"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// The first rotation of the webhooks' secret publishes the next one, and keeps the one
// in use: the pending version stores the same value as AWSCURRENT.
func TestAReconcileBesideARotationThatPublishesASecretLeavesItAlone(t *testing.T) {
	m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
	var once, ran atomic.Bool
	m.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Caller.Step != "testSecret" || c.Operation != "GetSecretValue" || !strings.Contains(c.Detail, "AWSCURRENT") {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() {
			if once.CompareAndSwap(false, true) {
				if err := m.Reconcile(); err != nil {
					t.Errorf("the reconcile beside: %v", err)
				}
				ran.Store(true)
			}
		}}
	})
	before := m.values()
	m.mustRotate()
	after := m.values()
	if !ran.Load() {
		t.Fatal("no reconcile ran beside the rotation")
	}
	if after.hook != before.hook || after.password == before.password || m.field("/webhooks/next_secret") == "" {
		t.Error("the rotation has not changed what it was made for")
	}
}
