package mauticserver

import (
	"cmp"
	"fmt"
	"slices"
)

// A Version is a Mautic to behave like. The zero Version is Mautic70.
type Version string

// What is known of Mautic was tried with a 5.1.0 and a 7.0.0. Both run on MySQL
// and on MariaDB 10.11.
const (
	Mautic51 Version = "5.1"
	Mautic70 Version = "7.0"
)

// Versions are all of them, the oldest first.
func Versions() []Version { return []Version{Mautic51, Mautic70} }

// checked returns the version, and an error where there is no such one.
func (v Version) checked() (Version, error) {
	v = cmp.Or(v, Mautic70)
	if !slices.Contains(Versions(), v) {
		return "", fmt.Errorf("there is no stand-in for Mautic %q: choose one of %q", string(v), Versions())
	}
	return v, nil
}
