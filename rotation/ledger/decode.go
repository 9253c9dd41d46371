package ledger

import (
	"errors"
	"strings"
)

// Decode reads a label by itself: the page has no version, and whether the label belongs to the
// version that it was found on is not looked at.
func Decode(label string) (Page, error) {
	rest, ours := strings.CutPrefix(label, Prefix)
	if !ours {
		return Page{}, errors.New("it is no label of the ledger")
	}
	parts := strings.Split(rest, ";")
	if parts[0] != edition {
		return parseFirst(parts)
	}
	if len(parts) < 2 {
		return Page{}, errors.New("it does not say which version it belongs to")
	}
	return parseKinds(parts[2:])
}
