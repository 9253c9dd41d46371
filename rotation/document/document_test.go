package document

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// runbook is a secret in the runbook's layout, with everything in it that a
// careless decode and encode would change.
const runbook = "{\n" + `  "database_password" : "old\u002dpass" ,
  "big": 12345678901234567890,  "n": 1e3, "port": 3306.0,
  "admin_credentials": {"admin_username":"admin","admin_password":"x"},
  "hooks": [ {"secret": "s0"}, {"secret": "s1"} ],
  "twice": 1, "twice": {"a": 2}, "html": "<a&b>", "escape": "\/\u0041",
	"a/b": {"~": "tilde"}, "null": null, "": {"": "empty keys"}
}` + "\n"

func mustParse(t *testing.T, value string) Document {
	t.Helper()
	doc, err := Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestReplaceChangesTheBytesOfOneValueOnly(t *testing.T) {
	for _, tc := range []struct{ pointer, old, want string }{
		{"/database_password", `"old\u002dpass"`, `"n<e>w"`},
		{"/admin_credentials/admin_password", `"x"`, `"n<e>w"`},
		{"/hooks/1/secret", `"s1"`, `"n<e>w"`},
		{"/a~1b/~0", `"tilde"`, `"n<e>w"`},
		{"/n", `1e3`, `"n<e>w"`},
		{"//", `"empty keys"`, `"n<e>w"`},
	} {
		t.Run(tc.pointer, func(t *testing.T) {
			got, err := mustParse(t, runbook).Replace(Pointer(tc.pointer), "n<e>w")
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(runbook, tc.old, tc.want, 1); got.Raw() != want {
				t.Errorf("got  %s\nwant %s", got.Raw(), want)
			}
		})
	}
}

func TestTextReadsStringsAndNamesWhatIsWrong(t *testing.T) {
	doc := mustParse(t, `{"s":"a\u0062\"","n":1,"o":{},"a":["x"],"b":true,"z":null,"dup":"1","dup":"2","half":"\ud800"}`)
	for _, tc := range []struct{ pointer, want, problem string }{
		{"/s", `ab"`, ""},
		{"/a/0", "x", ""},
		{"/n", "", "field /n is a number, not a string: write it in quotes"},
		{"/o", "", "field /o is an object, not a string: write it in quotes"},
		{"/b", "", "field /b is a boolean, not a string: write it in quotes"},
		{"/z", "", "field /z: missing (it is null)"},
		{"/none", "", "field /none: missing"},
		{"/s/deeper", "", "field /s/deeper: missing"},
		{"/a/1", "", "field /a/1: missing"},
		{"/a/00", "", "field /a/00: missing"},
		{"/a/-1", "", "field /a/-1: missing"},
		{"/dup", "", "field /dup is ambiguous: its key occurs 2 times in one object; remove all but one"},
		{"/half", "", "field /half contains half of a surrogate pair or U+FFFD, which no login can send"},
	} {
		t.Run(tc.pointer, func(t *testing.T) {
			got, err := doc.Text(Pointer(tc.pointer))
			if tc.problem == "" && err != nil || tc.problem != "" && (err == nil || err.Error() != tc.problem) {
				t.Errorf("error %v, want %q", err, tc.problem)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAKeyThatOccursTwiceIsAmbiguousHoweverItIsEscaped(t *testing.T) {
	doc := mustParse(t, `{"password":"1","p\u0061ssword":"2"}`)
	if _, err := doc.Text("/password"); err == nil {
		t.Error("no error, and readers of JSON differ in which of the two they take")
	}
	if _, err := doc.Replace("/password", "3"); err == nil {
		t.Error("replaced one of two")
	}
}

func TestIntegerReadsEveryWayToWriteAPort(t *testing.T) {
	doc := mustParse(t, `{"a":3306,"b":3306.0,"c":3.306e3,"d":"3306","e":3306.5,"f":"x","g":true,"h":1e300,"i":"0x10"}`)
	for pointer, want := range map[Pointer]int{"/a": 3306, "/b": 3306, "/c": 3306, "/d": 3306} {
		if got, err := doc.Integer(pointer); err != nil || got != want {
			t.Errorf("%s: got %d, %v", pointer, got, err)
		}
	}
	for _, pointer := range []Pointer{"/e", "/f", "/g", "/h"} {
		if got, err := doc.Integer(pointer); err == nil {
			t.Errorf("%s: got %d and no error", pointer, got)
		}
	}
	if _, err := doc.Integer("/none"); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v, want ErrMissing", err)
	}
}

func TestParseRefusesWhatIsNotAJSONObjectAndQuotesNoneOfIt(t *testing.T) {
	for _, value := range []string{
		"", " ", "hunter2", `"hunter2"`, "[1]", "null", "7", `{"a":"hunter2"`, `{"a":1}{}`, "{\"a\":\"\xff\"}",
		"\ufeff{\"a\": \"hunter2\"}", `{'a':'hunter2'}`, strings.Repeat("[", 100000),
	} {
		_, err := Parse(value)
		if err == nil {
			t.Errorf("%.20q: no error", value)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "'") {
			t.Errorf("%.20q: the error quotes the value: %v", value, err)
		}
	}
}

func TestAByteOrderMarkIsNamed(t *testing.T) {
	_, err := Parse("\ufeff{}")
	if err == nil || !strings.Contains(err.Error(), "byte order mark") || !strings.Contains(err.Error(), "store it without one") {
		t.Errorf("got %v", err)
	}
}

func TestNullIsMissingAndCanBeReplaced(t *testing.T) {
	doc := mustParse(t, `{"dbname": null, "port": null}`)
	if has, err := doc.Has("/dbname"); has || err != nil {
		t.Errorf("Has says %v, %v", has, err)
	}
	if _, err := doc.Integer("/port"); !errors.Is(err, ErrMissing) {
		t.Errorf("Integer says %v", err)
	}
	put, err := doc.Put("/dbname", "mautic")
	if err != nil || put.Raw() != `{"dbname": "mautic", "port": null}` {
		t.Errorf("got %s, %v", put.Raw(), err)
	}
}

func TestReplaceRefusesAValueThatSecretsManagerWouldNotStore(t *testing.T) {
	doc := mustParse(t, `{"password":"","rest":"`+strings.Repeat("x", MaxBytes-40)+`"}`)
	if _, err := doc.Replace("/password", strings.Repeat("p", 12)); err != nil {
		t.Errorf("a value that fits: %v", err)
	}
	_, err := doc.Replace("/password", strings.Repeat("p", 60))
	if err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("got %v, want an error that names the limit", err)
	}
}

func TestEqualOutsideSeesEveryByteButTheGivenValues(t *testing.T) {
	base := mustParse(t, `{"password":"a", "other":1}`)
	for _, tc := range []struct {
		other string
		want  bool
	}{
		{`{"password":"a", "other":1}`, true},
		{`{"password":"longer", "other":1}`, true},
		{`{"password":"a", "other":1.0}`, false},
		{`{"password":"a","other":1}`, false},
		{`{"other":1, "password":"a"}`, false},
		{`{"other":1}`, false},
	} {
		if got := base.EqualOutside(mustParse(t, tc.other), []Pointer{"/password"}); got != tc.want {
			t.Errorf("%s: got %v", tc.other, got)
		}
	}
}

func TestADocumentThatIsPrintedShowsNothing(t *testing.T) {
	doc := mustParse(t, `{"password":"hunter2"}`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, doc); strings.Contains(got, "hunter2") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestParsePointer(t *testing.T) {
	for _, good := range []string{"/a", "/a/b", "/", "/a~0b", "/~1"} {
		if _, err := ParsePointer(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a", "$.a", "/a~", "/a~2", "/\xca"} {
		if _, err := ParsePointer(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
