package document

import (
	"strings"
	"testing"
)

func TestStringsYieldsEveryStringThatCanBeRead(t *testing.T) {
	doc := mustParse(t, `{"a": "1", "b": {"c/d": ["2", 3, {"~": "4"}], "e": null}, "twice": "5", "twice": "6", "half": "\ud800", "": "7"}`)
	var got []string
	for p, text := range doc.Strings() {
		again, err := doc.Text(p)
		if err != nil || again != text {
			t.Errorf("%s: Text reads %q, %v", p, again, err)
		}
		got = append(got, string(p)+"="+text)
	}
	if got, want := strings.Join(got, " "), "/a=1 /b/c~1d/0=2 /b/c~1d/2/~0=4 /=7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for range doc.Strings() {
		break
	}
	for range mustParse(t, `{}`).Strings() {
		t.Error("there is none")
	}
}

func FuzzStringsAreWhereTheySayTheyAre(f *testing.F) {
	f.Add(runbook)
	f.Fuzz(func(t *testing.T, value string) {
		doc, err := Parse(value)
		if err != nil {
			return
		}
		for p, text := range doc.Strings() {
			if again, err := doc.Text(p); err != nil || again != text {
				t.Errorf("%s: %q is %q, %v", p, text, again, err)
			}
		}
	})
}
