package document

import (
	"strings"
	"testing"
)

func TestInsertWritesAFieldAsItsNeighboursAre(t *testing.T) {
	for _, tc := range []struct {
		name, before, after string
		at                  Pointer
	}{
		{"into nothing", `{}`, `{"a": "x"}`, "/a"},
		{"on one line", `{"b":1}`, `{"b":1,"a":"x"}`, "/a"},
		{"spaced", `{ "b": 1, "c" : 2 }`, `{ "b": 1, "c" : 2, "a" : "x" }`, "/a"},
		{"on lines of their own", "{\n  \"b\": 1,\n  \"c\": [1, {}]\n}\n", "{\n  \"b\": 1,\n  \"c\": [1, {}],\n  \"a\": \"x\"\n}\n", "/a"},
		{"with objects on the way", `{"b": 1}`, `{"b": 1, "a": {"c": {"d": "x"}}}`, "/a/c/d"},
		{"into an object within", `{"a": {"b": 1}, "z": 2}`, `{"a": {"b": 1, "c": "x"}, "z": 2}`, "/a/c"},
		{"into an object within an array", `{"l": [1, {"b": 1}, {}]}`, `{"l": [1, {"b": 1, "a": {"c": "x"}}, {}]}`, "/l/1/a/c"},
		{"a key that needs escapes", `{"b": 1}`, `{"b": 1, "a/\"": "x"}`, `/a~1"`},
		{"beside a key that occurs twice", `{"b": 1, "b": 2}`, `{"b": 1, "b": 2, "a": "x"}`, "/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := mustParse(t, tc.before).Insert(tc.at, "x")
			if err != nil {
				t.Fatal(err)
			}
			if got.Raw() != tc.after {
				t.Errorf("got  %s\nwant %s", got.Raw(), tc.after)
			}
		})
	}
}

func TestInsertRefusesWhatIsThereAndWhatIsNoObject(t *testing.T) {
	for at, want := range map[Pointer]string{
		"/a":   "already exists",
		"/a/b": "not an object",
		"/l/0": "not an object",
		"/m/0": "already exists",
		"/m/1": "not an object",
		"/d/x": "ambiguous",
	} {
		_, err := mustParse(t, `{"a": "secret", "l": [], "m": ["secret"], "d": {}, "d": {}}`).Insert(at, "x")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", at, err, want)
		}
	}
	big := mustParse(t, `{"a": "`+strings.Repeat("x", MaxBytes-10)+`"}`)
	if _, err := big.Insert("/b", "y"); err == nil || !strings.Contains(err.Error(), "stores at most") {
		t.Errorf("got %v", err)
	}
}
