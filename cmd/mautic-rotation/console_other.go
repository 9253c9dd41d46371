//go:build !windows

package main

import "os"

// takeCodes does nothing: a terminal takes the codes for colours.
func takeCodes(*os.File) {}
