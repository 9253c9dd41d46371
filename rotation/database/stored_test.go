package database

import (
	"strings"
	"testing"
)

func TestCryptSHA256IsTheOneThatHasBeenSpecified(t *testing.T) {
	t.Parallel()
	const want = "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5" // of the specification's own tests
	if got := cryptSHA256([]byte("Hello world!"), []byte("saltstring"), 5000); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatAServerStoresOfAPasswordIsKnownToBeOfIt(t *testing.T) {
	f := newFixture(t)
	for _, password := range []string{"x", pendingPassword, strings.Repeat("täglich ☕", 12)} {
		f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, password)
		var stored string
		if err := f.server.Admin().QueryRowContext(t.Context(), "SELECT HEX(authentication_string) FROM mysql.user WHERE User = ?", f.user).Scan(&stored); err != nil {
			t.Fatal(err)
		}
		text, err := unhex(stored)
		if err != nil {
			t.Fatal(err)
		}
		if matches, known := matchesHash(text, password); !matches || !known {
			t.Errorf("%q: matches %v, known %v", password, matches, known)
		}
		if matches, known := matchesHash(text, password+"x"); matches || !known {
			t.Errorf("another one: matches %v, known %v", matches, known)
		}
	}
	if _, known := matchesHash("$5$salt$digest", "x"); known {
		t.Error("a form that is not read here is known")
	}
}
