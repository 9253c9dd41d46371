package localaws_test

import (
	"testing"

	"mautic-rotation/internal/localaws/logs"
)

func TestAPatternMatchesWhatAWSDocumentsThatItMatches(t *testing.T) {
	t.Parallel()
	const message = `{"audit":"promoted","notice":"The new password is \"in use\"","secret":{"name":"mautic"},"attempt":2,"rolled":true,"kinds":["smtp"],"none":null}`
	for pattern, want := range map[string]bool{
		``:                              true,
		` `:                             true,
		`" "`:                           true,
		`promoted`:                      true,
		`promoted mautic`:               true,
		`promoted retired`:              false,
		`Promoted`:                      false,
		`"new password is"`:             true,
		`"new  password"`:               false,
		`{ $.audit = "promoted" }`:      true,
		`{$.audit="promoted"}`:          true,
		`{ $.audit = promoted }`:        true,
		`{ $.audit = "retired" }`:       false,
		`{ $.audit != "retired" }`:      true,
		`{ $.audit = "pro*" }`:          true,
		`{ $.audit = "*ote" }`:          false,
		`{ $.audit = * }`:               true,
		`{ $.nothing = * }`:             false,
		`{ $.nothing != "x" }`:          false,
		`{ $.none = * }`:                false,
		`{ $.kinds = * }`:               false, // an array
		`{ $.secret = * }`:              false, // an object
		`{ $.secret.name = "mautic" }`:  true,
		`{ $.secret.name.first = "m" }`: false,
		`{ $.attempt = 2 }`:             true,
		`{ $.attempt >= 2 }`:            true,
		`{ $.attempt > 2 }`:             false,
		`{ $.attempt < 10 }`:            true,
		`{ $.attempt != 3 }`:            true,
		`{ $.audit = 2 }`:               false,
		`{ $.notice = "*\"in use\"" }`:  true,
		`{ $.audit = * && $.gone = * }`: false,
		`{ $.audit = * || $.gone = * }`: true,
		`{ ($.gone = * || $.audit = *) && $.attempt = 2 }`:        true,
		`{ $.gone = * && $.audit = * || $.attempt = 2 }`:          true,
		`{ $.gone = * && ($.audit = * || $.attempt = 2) }`:        false,
		`{ $.audit = "retired" || $.notice = * && $.attempt = 9}`: false,
	} {
		matches, err := logs.ParsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := matches(message); got != want {
			t.Errorf("%s: got %v", pattern, got)
		}
		if len(pattern) > 0 && pattern[0] == '{' && matches("START RequestId: 1") {
			t.Errorf("%s matches what is no JSON", pattern)
		}
	}
}

func TestAPatternThatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		`?ERROR ?WARN`, `ERROR -DEBUG`, `%regular.*%`, `[ip, user]`, `no-quotes`, `"open`,
		`{ $.a IS NULL }`, `{ $.a NOT EXISTS }`, `{ $.a = %x% }`, `{ $.a = }`, `{ $.a = "b" `, `{ $.a = "b" } c`, `{ a = 1 }`, `{ $.a[0] = 1 }`,
		`{ $.a = 1 & $.b = 2 }`, `{ ($.a = 1 }`, `{ $.a > "b" }`, `{ $.a = b.c }`, `{ }`, `{ $.a = "open }`, `{ $.* = "x" }`,
	} {
		if _, err := logs.ParsePattern(pattern); err == nil {
			t.Errorf("%s is taken", pattern)
		}
	}
}
