//go:build !race

package main

// watchesForRaces tells whether the race detector is in this program.
const watchesForRaces = false
