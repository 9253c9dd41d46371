// Package password makes passwords that MySQL, RDS and Mautic all accept.
//
//	policy, err := password.NewPolicy(32, password.DefaultAlphabet)
//	value := policy.Generate()
package password

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

const (
	// DefaultAlphabet is safe wherever a password of Mautic's is used: DSNs, shells, PHP
	// configuration files and RDS. Mautic breaks on "%", and RDS refuses / " @ and space.
	DefaultAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"

	// DefaultLength gives 193 bits with DefaultAlphabet.
	DefaultLength = 32

	// MinLength is above every target's minimum (RDS 8, Mautic 6), so that no setting produces a
	// password that can be guessed.
	MinLength = 16
	// MaxLength is the longest password that RDS accepts for a MySQL master user.
	MaxLength = 41
)

// classes are the character classes that MySQL's validate_password counts in its default policy,
// MEDIUM. A password has at least one character of each class that the alphabet covers.
var classes = []string{
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"abcdefghijklmnopqrstuvwxyz",
	"0123456789",
	allowedSymbols,
}

// allowedSymbols leaves out what breaks somewhere: quotes, "%" and "\" (Mautic's configuration),
// / @ " and space (RDS), and what a shell or a DSN interprets ("$&;|<>(){}[]#?*!:" and the like).
const allowedSymbols = "-_.~"

// A Policy says what passwords look like. The zero Policy is not valid.
type Policy struct {
	length   int
	alphabet string
}

// NewPolicy returns the policy for passwords of length characters from alphabet. Each error says
// what would be accepted.
func NewPolicy(length int, alphabet string) (Policy, error) {
	var faults []error
	if length < MinLength || length > MaxLength {
		faults = append(faults, fmt.Errorf("length %d: use %d to %d characters (RDS accepts no more)", length, MinLength, MaxLength))
	}
	all := strings.Join(classes, "")
	for i, r := range alphabet {
		if !strings.ContainsRune(all, r) {
			faults = append(faults, fmt.Errorf("character %q: use letters, digits and %s (others break in RDS, in DSNs or in Mautic's configuration)", r, allowedSymbols))
		}
		if strings.ContainsRune(alphabet[:i], r) {
			faults = append(faults, fmt.Errorf("character %q occurs twice, which would make it more likely than the others", r))
		}
	}
	if len(alphabet) < minAlphabet {
		faults = append(faults, fmt.Errorf("the alphabet has %d characters: use at least %d", len(alphabet), minAlphabet))
	}
	if err := errors.Join(faults...); err != nil {
		return Policy{}, err
	}
	return Policy{length, alphabet}, nil
}

// Generate returns a new password. Every password that the policy allows is equally likely.
func (p Policy) Generate() string {
	for {
		candidate := p.draw()
		if p.hasEveryClass(candidate) {
			return candidate
		}
	}
}

// Without returns the policy for passwords that contain no character of text, in either case. It
// returns false if too few characters are left.
func (p Policy) Without(text string) (Policy, bool) {
	left := strings.Map(func(r rune) rune {
		if strings.ContainsRune(strings.ToLower(text), unicode.ToLower(r)) {
			return -1
		}
		return r
	}, p.alphabet)
	return Policy{p.length, left}, len(left) >= minAlphabet
}

// minAlphabet is the smallest number of different characters that passwords are made of.
const minAlphabet = 32

// draw picks each character uniformly. It throws away bytes beyond the last whole multiple of the
// alphabet's size, because a plain remainder would favour the first characters.
func (p Policy) draw() string {
	limit := 256 - 256%len(p.alphabet)
	password := make([]byte, 0, p.length)
	random := make([]byte, 2*p.length)
	for {
		rand.Read(random) // never fails: crypto/rand ends the program instead
		for _, b := range random {
			if int(b) >= limit {
				continue
			}
			password = append(password, p.alphabet[int(b)%len(p.alphabet)])
			if len(password) == p.length {
				return string(password)
			}
		}
	}
}

func (p Policy) hasEveryClass(password string) bool {
	for _, class := range classes {
		if strings.ContainsAny(p.alphabet, class) && !strings.ContainsAny(password, class) {
			return false
		}
	}
	return true
}
