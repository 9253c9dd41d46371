package localtest

import (
	"sync/atomic"

	"mautic-rotation/internal/localaws/wire"
)

// FaultOnce applies a fault to the first call of an operation.
func (f *Fixture) FaultOnce(operation string, fault wire.Fault) {
	var done atomic.Bool
	f.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == operation && done.CompareAndSwap(false, true) {
			return fault
		}
		return wire.Fault{}
	})
}

// Outcomes lists how the calls of an operation ended.
func (f *Fixture) Outcomes(operation string) []string {
	var codes []string
	for _, c := range f.Calls() {
		if c.Operation == operation {
			codes = append(codes, c.ErrorCode)
		}
	}
	return codes
}
