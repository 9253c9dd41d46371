package localaws

import (
	"context"
	"crypto/rand"
	"math/big"
	"strings"
)

const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

type getRandomPasswordInput struct {
	PasswordLength          *int
	ExcludeCharacters       string
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	ExcludeUppercase        bool
	ExcludeLowercase        bool
	IncludeSpace            bool
	RequireEachIncludedType *bool
}

type getRandomPasswordOutput struct{ RandomPassword string }

// getRandomPassword draws a password of the given length, by default 32, with at least one character of each type that
// is not excluded.
func (m *secretsManager) getRandomPassword(_ context.Context, in getRandomPasswordInput) (*getRandomPasswordOutput, error) {
	length := 32
	if in.PasswordLength != nil {
		length = *in.PasswordLength
	}
	if length < 1 || length > 4096 {
		return nil, invalidParameter("The password length must be between 1 and 4096.")
	}
	var types []string
	for _, t := range []struct {
		characters string
		excluded   bool
	}{
		{lowercase, in.ExcludeLowercase}, {uppercase, in.ExcludeUppercase},
		{digits, in.ExcludeNumbers}, {punctuation, in.ExcludePunctuation}, {" ", !in.IncludeSpace},
	} {
		left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(in.ExcludeCharacters, r) {
				return -1
			}
			return r
		}, t.characters)
		if !t.excluded && left != "" {
			types = append(types, left)
		}
	}
	each := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	switch {
	case len(types) == 0:
		return nil, invalidParameter("The password can't be generated because every character is excluded.")
	case each && length < len(types):
		return nil, invalidParameter("The password length must be at least the number of required character types.")
	}
	return &getRandomPasswordOutput{drawPassword(length, types, each)}, nil
}

func drawPassword(length int, types []string, each bool) string {
	password := make([]byte, length)
	all := strings.Join(types, "")
	for i := range password {
		from := all
		if each && i < len(types) {
			from = types[i]
		}
		password[i] = from[randomBelow(len(from))]
	}
	for i := length - 1; i > 0; i-- { // so that the required types are anywhere
		j := randomBelow(i + 1)
		password[i], password[j] = password[j], password[i]
	}
	return string(password)
}

func randomBelow(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return int(i.Int64())
}
