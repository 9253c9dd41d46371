package eventrule_test

import (
	"strings"
	"testing"

	"mautic-rotation/internal/eventrule"
)

const event = `{"source": "lambda", "account": "123456789012", "resources": ["arn:a", "arn:b"], "empty": [],
	"detail": {"n": 3, "ok": true, "none": null, "say": "held", "quoted": "a \"b\"", "list": [{"a": 1}], "under": {"x": "y"}, "two words-1": 1}}`

func TestAPatternMatchesAsEventBridgeSays(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		`{"source": ["lambda"]}`:                                        true,
		`{"source": ["aws.lambda"]}`:                                    false,
		`{"source": ["aws.ecs", "lambda"]}`:                             true,
		`{"source": ["lambda"], "account": ["1"]}`:                      false,
		`{"resources": ["arn:b", "arn:c"]}`:                             true,
		`{"resources": ["arn:c"]}`:                                      false,
		`{"resources": [{"prefix": "arn:"}]}`:                           true,
		`{"detail": {"say": ["held", "retired"]}}`:                      true,
		`{"detail": {"say": [{"exists": true}]}}`:                       true,
		`{"detail": {"say": [{"exists": false}]}}`:                      false,
		`{"detail": {"notice": [{"exists": true}]}}`:                    false,
		`{"detail": {"notice": [{"exists": false}]}}`:                   true,
		`{"detail": {"under": [{"exists": true}]}}`:                     false, // no leaf
		`{"detail": {"under": {"x": ["y"]}}}`:                           true,
		`{"detail": {"missing": {"x": ["y"]}}}`:                         false,
		`{"detail": {"say": {"x": ["y"]}}}`:                             false,
		`{"detail": {"say": [{"suffix": "ld"}]}}`:                       true,
		`{"detail": {"say": [{"equals-ignore-case": "HELD"}]}}`:         true,
		`{"detail": {"say": [{"prefix": "x"}, "held"]}}`:                true,
		`{"detail": {"n": [3], "ok": [true], "none": [null]}}`:          true,
		`{"detail": {"n": ["3"]}}`:                                      false,
		`{"detail": {"n": [{"prefix": "3"}]}}`:                          false,
		`{"source": ["lambda"], "detail": {"say": [{"prefix": "he"}]}}`: true,
	} {
		p, err := eventrule.Parse([]byte(pattern))
		if err != nil {
			t.Fatal(pattern, err)
		}
		if got, err := p.Matches([]byte(event)); err != nil || got != want {
			t.Errorf("%s: %t, %v", pattern, got, err)
		}
	}
}

func TestAPatternThatIsNotKnownIsAnError(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`[]`:                                   "cannot unmarshal",
		`{}`:                                   "an empty object",
		`{"source": []}`:                       "source: an empty list",
		`{"source": "lambda"}`:                 "source: it is neither an object nor a list",
		`{"a": {"b": [{"numeric": []}]}}`:      "a: b: the comparison map[numeric:[]] is not supported",
		`{"a": [{"prefix": 1}]}`:               "is not supported",
		`{"a": [{"exists": "yes"}]}`:           "is not supported",
		`{"a": [{"prefix":"a","suffix":"b"}]}`: "is not supported",
	} {
		if _, err := eventrule.Parse([]byte(pattern)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	for pattern, want := range map[string]string{
		`{"empty": ["a"]}`:                 "empty: EventBridge's guide does not say how an empty list",
		`{"detail": {"list": {"a": [1]}}}`: "detail: list: EventBridge's guide does not say",
	} {
		p, err := eventrule.Parse([]byte(pattern))
		if err != nil {
			t.Fatal(pattern, err)
		}
		if _, err := p.Matches([]byte(event)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestATransformerFillsItsTemplate(t *testing.T) {
	t.Parallel()
	paths := map[string]string{
		"say": "$.detail.say", "second": "$.resources[1]", "third": "$.resources[2]", "missing": "$.detail.x.y",
		"n": "$.detail.n", "under": "$.detail.under", "quoted": "$.detail.quoted", "whole-list": "$.resources",
	}
	for template, want := range map[string]string{
		`"<say> by <second>."`:                            `"held by arn:b."`,
		"\"<say>\"\n\"<second>\"":                         "\"held\"\n\"arn:b\"",
		`"[<missing>] <third>"`:                           `"[] "`,
		`{"a": <say>, "b": "<say>!", "c": [9, <second>]}`: `{"a": "held", "b": "held!", "c": [9, "arn:b"]}`,
		`{"n": <n>, "u": <under>, "l": <whole-list>}`:     `{"n": 3, "u": {"x":"y"}, "l": ["arn:a","arn:b"]}`,
		`"it is <under>"`:                                 `"it is {x:y}"`,
		`"it \"is\" <say>"`:                               `"it \"is\" held"`,
	} {
		got, err := eventrule.Transformer{Paths: paths, Template: template}.Apply([]byte(event))
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", template, got, err)
		}
	}
	for template, want := range map[string]string{
		`"<quoted>"`:       "neither JSON nor a string",
		`{"a": <quoted>}`:  "neither JSON nor a string",
		`{"a": <missing>}`: "the event has nothing for <missing>",
		`"<nobody>"`:       "there is no path for <nobody>",
		`<say> said`:       "neither JSON nor a string",
	} {
		got, err := eventrule.Transformer{Paths: paths, Template: template}.Apply([]byte(event))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v", template, got, err)
		}
	}
	for path, want := range map[string]string{"detail.say": "does not begin with $", "$.resources[*]": "is not supported"} {
		_, err := eventrule.Transformer{Paths: map[string]string{"x": path}, Template: `"<x>"`}.Apply([]byte(event))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
