package document

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestRemoveTakesOneMemberAwayAndChangesNoOtherByte(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, before, after string
		at                  Pointer
	}{
		{"the only one", `{"a": "x"}`, `{}`, "/a"},
		{"the only one, spaced", "{\n  \"a\": \"x\"\n}\n", "{\n  \n}\n", "/a"},
		{"the first", `{"a": "x", "b": 1}`, `{"b": 1}`, "/a"},
		{"the first, on lines of their own", "{\n  \"a\": \"x\",\n  \"b\" : 1\n}", "{\n  \"b\" : 1\n}", "/a"},
		{"one in the middle", `{"b": 1, "a": "x" , "c": 2}`, `{"b": 1 , "c": 2}`, "/a"},
		{"the last", `{"b": 1, "a": "x"}`, `{"b": 1}`, "/a"},
		{"the last, on lines of their own", "{\n\t\"b\": 1,\r\n\t\"a\": \"x\"\n}", "{\n\t\"b\": 1\n}", "/a"},
		{"one whose value is an object", `{"b": 1, "a": {"c": [1, {"d": "}"}]}, "e": 2}`, `{"b": 1, "e": 2}`, "/a"},
		{"within an object", `{"b": {"a": "x", "c": 1}, "a": "y"}`, `{"b": {"c": 1}, "a": "y"}`, "/b/a"},
		{"within an object of an array", `{"l": [{"a": "x"}, {"a": "y"}]}`, `{"l": [{"a": "x"}, {}]}`, "/l/1/a"},
		{"a key with escapes", `{"\u0061/\"~": "x", "b": 1}`, `{"b": 1}`, `/a~1"~0`},
		{"the empty key", `{"": {"": 1, "b": 2}}`, `{"": {"b": 2}}`, "//"},
		{"beside a value that is written the same", `{"b": "x", "a": "x", "c": "x"}`, `{"b": "x", "c": "x"}`, "/a"},
		{"beside a key that occurs twice", `{"b": 1, "b": 2, "a": "x"}`, `{"b": 1, "b": 2}`, "/a"},
		{"one that is not there", `{"b": 1}`, `{"b": 1}`, "/a"},
		{"one whose object is not there", `{"b": 1}`, `{"b": 1}`, "/c/a"},
		{"one below a value that is no object", `{"b": "x"}`, `{"b": "x"}`, "/b/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := mustParse(t, tc.before).Remove(tc.at)
			if err != nil {
				t.Fatal(err)
			}
			if got.Raw() != tc.after {
				t.Errorf("got  %q\nwant %q", got.Raw(), tc.after)
			}
		})
	}
}

func TestRemoveRefusesWhatIsNoMemberOfAnObjectOrIsThereTwice(t *testing.T) {
	t.Parallel()
	d := mustParse(t, `{"l": ["secret"], "d": "secret", "d": {"x": "secret"}}`)
	for at, want := range map[Pointer]string{
		"":     "the empty pointer",
		"/l/0": "an array element",
		"/d":   "ambiguous",
		"/d/x": "ambiguous",
	} {
		got, err := d.Remove(at)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || got != (Document{}) {
			t.Errorf("%s: got %v, want %q", at, err, want)
		}
	}
}

func TestRemoveEmptyTakesAnObjectAwayOnlyIfItHasNoMembers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ before, after string }{
		{`{"b": 1, "a": {}}`, `{"b": 1}`},
		{"{\"a\": {\n  }, \"b\": 1}", `{"b": 1}`},
		{`{"a": {"b": null}}`, `{"a": {"b": null}}`},
		{`{"a": [], "b": 1}`, `{"a": [], "b": 1}`},
		{`{"a": "", "b": 1}`, `{"a": "", "b": 1}`},
		{`{"a": null}`, `{"a": null}`},
		{`{"b": {}}`, `{"b": {}}`},
	} {
		got, err := mustParse(t, tc.before).RemoveEmpty("/a")
		if err != nil || got.Raw() != tc.after {
			t.Errorf("of %s: got %q, %v, want %q", tc.before, got.Raw(), err, tc.after)
		}
	}
	if _, err := mustParse(t, `{"a": {}, "a": {}}`).RemoveEmpty("/a"); err == nil || !strings.Contains(err.Error(), "ambiguous") {
		t.Errorf("of a key that occurs twice: %v", err)
	}
}

// FuzzRemove holds Remove to its promise with any document: the field is not there
// any more, every other field reads the same, and it can be put in again.
func FuzzRemove(f *testing.F) {
	f.Add(runbook, "/database_password", "new")
	f.Add(`{"a": 1 , "b" :{"c":[{"d":2}]}}`, "/b/c/0/d", "x")
	f.Add("{\n\t\"a\":\r\n[]}", "/a", "\"\\")
	addHostile(f)
	f.Fuzz(func(t *testing.T, value, pointer, text string) {
		p, err := ParsePointer(pointer)
		if err != nil {
			return
		}
		d, err := Parse(value)
		if err != nil {
			return
		}
		there, errHas := d.Has(p)
		next, err := d.Remove(p)
		switch {
		case err != nil:
			if errHas == nil && (!there || isMember(t, value, p)) {
				t.Fatalf("a member of an object is not removed: %v", err)
			}
			return
		case errHas != nil:
			t.Fatalf("removed, and %v", errHas)
		case !there:
			if next != d {
				t.Fatal("nothing was there, and the document has changed")
			}
			return
		}
		if has, err := next.Has(p); has || err != nil {
			t.Fatalf("it is there after it was removed: %v, %v", has, err)
		}
		onlyInserted(t, next.Raw(), value) // no byte of other fields has changed
		if want := without(decoded(t, value), p.tokens()); !reflect.DeepEqual(decoded(t, next.Raw()), want) {
			t.Fatal("decoded, the documents differ elsewhere")
		}
		again, err := next.Put(p, text)
		if err != nil {
			if readable(p, text) == nil && len(next.Raw())+len(quote(text))+len(quote(pointer))+len(value) <= MaxBytes {
				t.Fatalf("it cannot be put in again: %v", err)
			}
			return
		}
		if got, err := again.Text(p); err != nil || got != text {
			t.Fatalf("put %q in again, and read %q, %v", text, got, err)
		}
		if back, err := again.Remove(p); err != nil || !reflect.DeepEqual(decoded(t, back.Raw()), decoded(t, next.Raw())) {
			t.Fatalf("removed again, the document is another one: %v", err)
		}
	})
}

// isMember tells, by encoding/json, whether what is at p is a member of an object.
func isMember(t *testing.T, value string, p Pointer) bool {
	t.Helper()
	at := decoded(t, value)
	tokens := p.tokens()
	for _, token := range tokens[:len(tokens)-1] {
		at = child(at, token)
	}
	_, object := at.(map[string]any)
	return object
}

func decoded(t *testing.T, value string) (v any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.UseNumber() // 1E+400 is none that Go has
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func child(v any, token string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[token]
	case []any:
		if at, err := strconv.Atoi(token); err == nil && at >= 0 && at < len(v) {
			return v[at]
		}
	}
	return nil
}

// without removes a member from a decoded document.
func without(v any, tokens []string) any {
	at := v
	for _, token := range tokens[:len(tokens)-1] {
		at = child(at, token)
	}
	if object, ok := at.(map[string]any); ok {
		delete(object, tokens[len(tokens)-1])
	}
	return v
}
