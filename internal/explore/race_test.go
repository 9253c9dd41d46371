//go:build race

package explore

// raceEnabled: the race detector makes a history ten times slower.
const raceEnabled = true
