package secretsmanager

import (
	"context"
	"strings"

	"mautic-rotation/internal/localaws/host"
)

const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// GetRandomPasswordInput says what a password is to be like.
type GetRandomPasswordInput struct {
	PasswordLength          *int
	ExcludeCharacters       string
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	ExcludeUppercase        bool
	ExcludeLowercase        bool
	IncludeSpace            bool
	RequireEachIncludedType *bool
}

// GetRandomPasswordOutput is the answer of GetRandomPassword.
type GetRandomPasswordOutput struct{ RandomPassword string }

// GetRandomPassword draws a password of the given length, by default 32, with at least one character of each type that
// is not excluded.
func (c *Core) GetRandomPassword(_ context.Context, in GetRandomPasswordInput) (out GetRandomPasswordOutput, err error) {
	length := 32
	if in.PasswordLength != nil {
		length = *in.PasswordLength
	}
	if length < 1 || length > 4096 {
		return out, invalidParameter("The password length must be between 1 and 4096.")
	}
	var types []string
	for _, t := range []struct {
		characters string
		excluded   bool
	}{
		{host.Lowercase, in.ExcludeLowercase}, {host.Uppercase, in.ExcludeUppercase},
		{host.Digits, in.ExcludeNumbers}, {punctuation, in.ExcludePunctuation}, {" ", !in.IncludeSpace},
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
		return out, invalidParameter("The password can't be generated because every character is excluded.")
	case each && length < len(types):
		return out, invalidParameter("The password length must be at least the number of required character types.")
	}
	return GetRandomPasswordOutput{drawPassword(c.env.Random, length, types, each)}, nil
}

func drawPassword(random *host.Random, length int, types []string, each bool) string {
	password := make([]byte, length)
	all := strings.Join(types, "")
	for i := range password {
		from := all
		if each && i < len(types) {
			from = types[i]
		}
		password[i] = from[random.Below(len(from))]
	}
	for i := length - 1; i > 0; i-- { // so that the required types are anywhere
		j := random.Below(i + 1)
		password[i], password[j] = password[j], password[i]
	}
	return string(password)
}
