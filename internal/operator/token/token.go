// Package token makes the ClientRequestToken of a rotation. Its words say which credentials to rotate, and whether
// it is an emergency: docs/operate.md lists them.
package token

import (
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"

	"mautic-rotation/internal/operator/fault"
)

// Most is the maximum number of characters that Secrets Manager accepts.
const Most = 64

// Kinds are the kinds of credentials that a token can name.
var Kinds = []string{"admin", "api", "database", "smtp", "webhook"}

// New makes a fresh token, such as `only.database.emergency.<uuid>`. It always has words, from which the function
// knows that a person asked for the rotation: one without words that begins in the schedule's window counts as the
// schedule's. If the words leave no room for a UUID, fewer random digits follow them.
func New(random io.Reader, only []string, emergency bool) (string, error) {
	var words []string
	for _, kind := range only {
		switch {
		case !slices.Contains(Kinds, kind):
			return "", fault.New(fault.Usage, fmt.Sprintf("unknown credential %q", kind), "one of "+strings.Join(Kinds, ", "))
		case slices.Contains(words, kind):
			return "", fault.New(fault.Usage, kind+" is named twice", "name it once")
		}
		words = append(words, kind)
	}
	switch {
	case len(words) > 0:
		words = append([]string{"only"}, words...)
	case !emergency:
		words = []string{"all"}
	}
	if emergency {
		words = append(words, "emergency")
	}
	id, err := uuid(random)
	if err != nil {
		return "", err
	}
	head := strings.Join(words, ".")
	if head != "" {
		head += "."
	}
	if over := len(head) + len(id) - Most; over > 0 {
		// A UUID has 122 random bits. 16 hex digits have 64, enough that no two rotations of a
		// secret get the same token.
		id = strings.ReplaceAll(id, "-", "")
		if keep := Most - len(head); keep < len(id) {
			if keep < 16 {
				return "", fault.New(fault.Usage, "too many kinds for one request", "leave out --only to rotate all, or rotate them one after another")
			}
			id = id[:keep]
		}
	}
	return head + id, nil
}

// uuid is a random one (RFC 9562, version 4).
func uuid(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// Random is what tokens are made from.
var Random io.Reader = rand.Reader
