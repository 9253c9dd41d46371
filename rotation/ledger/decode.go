package ledger

import (
	"errors"
	"strings"
)

// Decode parses a single label. The page has no version, and Decode does not check that the label
// belongs to the version it was found on.
func Decode(label string) (Page, error) {
	rest, ours := strings.CutPrefix(label, Prefix)
	if !ours {
		return Page{}, errors.New("it is not a ledger label")
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
