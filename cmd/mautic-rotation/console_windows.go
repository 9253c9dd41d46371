package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// takeCodes has a console of Windows take the codes for colours, which a terminal elsewhere does anyway. It does
// nothing to what is no console.
func takeCodes(out *os.File) {
	var mode uint32
	if windows.GetConsoleMode(windows.Handle(out.Fd()), &mode) == nil {
		_ = windows.SetConsoleMode(windows.Handle(out.Fd()), mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
	}
}
