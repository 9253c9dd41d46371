package database

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// matchesHash reports whether what an account of MySQL's stores is of a password.
// known is false where the form of it is not one that is read here.
//
// caching_sha2_password stores $A$, the rounds in thousands as three hexadecimal
// digits, $, a salt of 20 bytes, and the digest of crypt(3)'s SHA-256 scheme.
func matchesHash(stored, password string) (matches, known bool) {
	if strings.HasPrefix(stored, "*") && len(stored) == len(nativeHash("")) {
		return stored == nativeHash(password), true
	}
	rest, ok := strings.CutPrefix(stored, "$A$")
	if !ok || len(rest) != 3+1+sha2Salt+43 || rest[3] != '$' {
		return false, false
	}
	thousands, err := strconv.ParseUint(rest[:3], 16, 16)
	if err != nil {
		return false, false
	}
	salt, digest := rest[4:4+sha2Salt], rest[4+sha2Salt:]
	return cryptSHA256([]byte(password), []byte(salt), int(thousands)*1000) == digest, true
}

const sha2Salt = 20

// cryptSHA256 is crypt(3)'s SHA-256 scheme, as Ulrich Drepper has specified it, but
// for the salt, which is longer with MySQL.
func cryptSHA256(password, salt []byte, rounds int) string {
	sum := func(parts ...[]byte) []byte {
		digest := sha256.Sum256(bytes.Join(parts, nil))
		return digest[:]
	}
	stretch := func(digest []byte, length int) []byte {
		return bytes.Repeat(digest, length/len(digest)+1)[:length]
	}
	b := sum(password, salt, password)
	first := [][]byte{password, salt, stretch(b, len(password))}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			first = append(first, b)
		} else {
			first = append(first, password)
		}
	}
	a := sum(first...)
	p := stretch(sum(bytes.Repeat(password, len(password))), len(password))
	s := stretch(sum(bytes.Repeat(salt, 16+int(a[0]))), len(salt))
	for n := range rounds {
		parts := [][]byte{a}
		if n%2 == 1 {
			parts[0] = p
		}
		if n%3 != 0 {
			parts = append(parts, s)
		}
		if n%7 != 0 {
			parts = append(parts, p)
		}
		if n%2 == 1 {
			parts = append(parts, a)
		} else {
			parts = append(parts, p)
		}
		a = sum(parts...)
	}
	const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out strings.Builder
	write := func(high, middle, low byte, count int) {
		for v := uint(high)<<16 | uint(middle)<<8 | uint(low); count > 0; count-- {
			out.WriteByte(digits[v&63])
			v >>= 6
		}
	}
	i, j, k := 0, 10, 20
	for range 10 {
		write(a[i], a[j], a[k], 4)
		i, j, k = k+1, i+1, j+1
	}
	write(0, a[31], a[30], 3)
	return out.String()
}

// unhex decodes MySQL's HEX().
func unhex(text string) (string, error) {
	raw, err := hex.DecodeString(text)
	return string(raw), err
}
