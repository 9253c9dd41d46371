package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxDepth is how deep encoding/json lets a document be nested.
const maxDepth = 10000

// addHostile adds documents, pointers and texts that a parser may stumble over.
func addHostile(f *testing.F) {
	f.Helper()
	for _, value := range []string{
		`{"a":1,"a":2,"\u0061":3,"b":{"a":4}}`,
		`{"a":-0.0e-0,"b":1E+400,"c":12345678901234567890123456789012345678901234567890}`,
		`{"a":"\ud83d\ude00\ud800","\ud800":1,"b":"\u0000\u2028\/\b"}`,
		"\ufeff{}", " \r\n\t{ } ", `{"":{"":{"":""}}}`, `{"a":[[],[{}],[[1]]]}`, "{\"\u00e9\":\"e\u0301\"}",
	} {
		for _, pointer := range []string{"/a", "/b/a", "/~01~10", "///", "/a/0/-1/00/1e1", strings.Repeat("/a", 50)} {
			f.Add(value, pointer, "\xff\ufffd\x00")
			f.Add(value, pointer, "x")
		}
	}
	for _, value := range []string{
		`{"a":` + strings.Repeat("[", maxDepth-2) + strings.Repeat("]", maxDepth-2) + `,"b":1}`,
		strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth),
		strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1), // which is none
		`{"a":"` + strings.Repeat("x", MaxBytes-8) + `"}`,
		`{` + strings.Repeat(`"k":0,`, 10000) + `"a":1}`,
	} {
		f.Add(value, "/a", "x")
	}
}

// FuzzReplace holds Replace to its promise with any document and any value:
// the text before and after the value is untouched, what was written is read
// back, and replacing the old value restores the document to the byte.
func FuzzReplace(f *testing.F) {
	f.Add(runbook, "/database_password", "new")
	f.Add(runbook, "/hooks/0/secret", "\x00\u2028\"\\")
	f.Add(`{"a":{"b":[1,2,{"c":1e3}]}}`, "/a/b/2/c", "é")
	f.Add(`{"\u0061":"}]\"{"}`, "/a", "")
	addHostile(f)
	f.Fuzz(func(t *testing.T, value, pointer, text string) {
		p, err := ParsePointer(pointer)
		if err != nil {
			return
		}
		doc, err := Parse(value)
		if err != nil {
			return
		}
		at, err := doc.find(p)
		if err != nil {
			return
		}
		if !json.Valid([]byte(value[at.start:at.end])) {
			t.Fatalf("the value at %s is not a JSON value", p)
		}
		next, err := doc.Replace(p, text)
		if err != nil {
			if !strings.ContainsRune(text, utf8.RuneError) && len(value)+len(quote(text)) <= MaxBytes {
				t.Fatalf("a text that fits is refused: %v", err)
			}
			return
		}
		if len(next.Raw()) > MaxBytes {
			t.Fatalf("%d bytes", len(next.Raw()))
		}
		if !json.Valid([]byte(next.Raw())) {
			t.Fatal("the result is not valid JSON")
		}
		if !strings.HasPrefix(next.Raw(), value[:at.start]) || !strings.HasSuffix(next.Raw(), value[at.end:]) {
			t.Fatal("bytes outside the value changed")
		}
		if got, err := next.Text(p); err != nil || got != text {
			t.Fatalf("wrote %q, read %q, %v", text, got, err)
		}
		if !doc.EqualOutside(next, []Pointer{p}) {
			t.Fatal("EqualOutside sees a difference")
		}
		if old, err := doc.Text(p); err == nil {
			back, err := next.Replace(p, old)
			if err != nil {
				t.Fatal(err)
			}
			if gotOld, _ := back.Text(p); gotOld != old || !doc.EqualOutside(back, []Pointer{p}) {
				t.Fatal("the way back does not lead back")
			}
		}
		sameMeaningElsewhere(t, value, next.Raw(), p)
	})
}

// sameMeaningElsewhere is a second opinion by encoding/json: compacted, the
// two texts differ at most at the value.
func sameMeaningElsewhere(t *testing.T, before, after string, p Pointer) {
	t.Helper()
	compact := func(s string) string {
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(s)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	a, errA := Parse(compact(before))
	b, errB := Parse(compact(after))
	if errA != nil || errB != nil || !a.EqualOutside(b, []Pointer{p}) {
		t.Fatal("compacted, the documents differ elsewhere")
	}
}

// FuzzPut holds Put to what Replace promises, where the field may not be there.
func FuzzPut(f *testing.F) {
	f.Add(`{"a": 1, "b" :{}}`, "/b/c", "x")
	f.Add("{\n\t\"a\":\r\n[]}", "/a~1/b", "\"\\")
	f.Add(`{"b":0}`, strings.Repeat("/a", maxDepth), "x")
	addHostile(f)
	f.Fuzz(func(t *testing.T, value, pointer, text string) {
		d, err := Parse(value)
		if err != nil {
			return
		}
		p, err := ParsePointer(pointer)
		if err != nil {
			return
		}
		there, err := d.Has(p)
		if err != nil {
			return
		}
		next, err := d.Put(p, text)
		if err != nil {
			return
		}
		if _, err := Parse(next.Raw()); err != nil || len(next.Raw()) > MaxBytes {
			t.Fatalf("no document any more: %d bytes, %v", len(next.Raw()), err)
		}
		if got, err := next.Text(p); err != nil || got != text {
			t.Fatalf("put %q, got %q, %v", text, got, err)
		}
		if next.EqualOutside(d, []Pointer{p}) != there {
			t.Fatal("EqualOutside does not tell whether the field is new")
		}
		if !there {
			onlyInserted(t, value, next.Raw())
		}
		again, err := next.Put(p, text)
		if err != nil || again != next {
			t.Fatalf("a second time it is not the same: %v", err)
		}
	})
}

// onlyInserted checks that after is before with something in between.
func onlyInserted(t *testing.T, before, after string) {
	t.Helper()
	same := 0
	for same < len(before) && before[same] == after[same] {
		same++
	}
	if len(after) <= len(before) || !strings.HasSuffix(after, before[same:]) {
		t.Fatal("bytes of other fields changed")
	}
}

// FuzzRead reads whatever is in a document: no error quotes it.
func FuzzRead(f *testing.F) {
	addHostile(f)
	f.Add(`{"port":3306.0}`, "/port", "")
	f.Add(`{"port":"3306"}`, "/port", "")
	f.Fuzz(func(t *testing.T, value, pointer, at string) {
		const canary = "canary-in-the-document"
		if place := len(at) % (len(value) + 1); !strings.Contains(pointer, canary) {
			value = value[:place] + canary + value[place:]
		}
		check := func(err error) {
			t.Helper()
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Fatalf("the error quotes the document: %v", err)
			}
		}
		d, err := Parse(value)
		check(err)
		if valid := json.Valid([]byte(value)) && utf8.ValidString(value) && strings.HasPrefix(strings.TrimLeft(value, " \t\r\n"), "{"); valid != (err == nil) {
			t.Fatalf("a JSON object: %v, and %v", valid, err)
		}
		p, badPointer := ParsePointer(pointer)
		if err != nil || badPointer != nil {
			return
		}
		there, err := d.Has(p)
		check(err)
		text, errText := d.Text(p)
		check(errText)
		if errText == nil && !there || errors.Is(errText, ErrMissing) && there {
			t.Fatalf("there: %v, and %v", there, errText)
		}
		n, err := d.Integer(p)
		check(err)
		if whole, notWhole := strconv.Atoi(text); errText == nil && notWhole == nil && (err != nil || n != whole) {
			t.Fatalf("%q is %d, %v", text, n, err)
		}
	})
}
