package eventbridge

import (
	"encoding/json"
	"testing"
	"time"
)

const sample = `{"source":"aws.secretsmanager","detail-type":"Secret Label Updated","resources":["arn:one","arn:two"],
	"detail":{"name":"mautic/prod","labelUpdated":"AWSCURRENT","n":3,"on":true,"none":null,"list":[],"nested":{"a":"b"},"items":[{"id":"x"},{"id":"y"}]}}`

func TestAPatternMatchesWhatEventBridgeDocumentsThatItMatches(t *testing.T) {
	t.Parallel()
	var event any
	if err := json.Unmarshal([]byte(sample), &event); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`{"source":["aws.secretsmanager"]}`:                                        true,
		`{"source":["aws.ecs","aws.secretsmanager"]}`:                              true,
		`{"source":["aws.secrets"]}`:                                               false,
		`{"source":["aws.secretsmanager"],"detail-type":["other"]}`:                false,
		`{"resources":["arn:two"]}`:                                                true,
		`{"resources":["arn:three"]}`:                                              false,
		`{"detail":{"labelUpdated":["AWSCURRENT"],"name":[{"prefix":"mautic/"}]}}`: true,
		`{"detail":{"name":[{"prefix":"prod/"}]}}`:                                 false,
		`{"detail":{"n":[{"prefix":"3"}]}}`:                                        false,
		`{"detail":{"n":[3]}}`:                                                     true,
		`{"detail":{"n":["3"]}}`:                                                   false,
		`{"detail":{"on":[true]}}`:                                                 true,
		`{"detail":{"none":[null]}}`:                                               true,
		`{"detail":{"missing":[null]}}`:                                            false,
		`{"detail":{"n":[{"exists":true}]}}`:                                       true,
		`{"detail":{"n":[{"exists":false}]}}`:                                      false,
		`{"detail":{"missing":[{"exists":false}]}}`:                                true,
		`{"detail":{"missing":{"deeper":[{"exists":false}]}}}`:                     true,
		`{"detail":{"nested":[{"exists":true}]}}`:                                  false, // no leaf
		`{"detail":{"list":[{"exists":true}]}}`:                                    false,
		`{"detail":{"labelUpdated":[{"anything-but":"custom"}]}}`:                  true,
		`{"detail":{"labelUpdated":[{"anything-but":["custom","AWSCURRENT"]}]}}`:   false,
		`{"detail":{"missing":[{"anything-but":"custom"}]}}`:                       false,
		`{"detail":{"n":[{"anything-but":[1,2]}]}}`:                                true,
		`{"detail":{"n":[{"anything-but":3}]}}`:                                    false,
		`{"detail":{"name":[{"anything-but":{"prefix":"mautic"}}]}}`:               false,
		`{"detail":{"name":[{"anything-but":{"prefix":"prod"}}]}}`:                 true,
		`{"detail":{"items":{"id":["y"]}}}`:                                        true,
		`{"detail":{"items":{"id":["z"]}}}`:                                        false,
		`{"detail":{"name":["other",{"prefix":"maut"}]}}`:                          true,
		`{"source":{"deeper":["a"]}}`:                                              false,
	} {
		matches, err := parsePattern(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := matches(event); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestAPatternThatIsNotKnownIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `[]`, `{}`, `{"source":"aws.ecs"}`, `{"source":[]}`, `{"detail":{}}`, `{"source":[["a"]]}`, `{"$or":[{"a":["b"]}]}`,
		`{"a":[{"suffix":"x"}]}`, `{"a":[{"numeric":[">",1]}]}`, `{"a":[{"equals-ignore-case":"x"}]}`, `{"a":[{"wildcard":"x*"}]}`, `{"a":[{"cidr":"10.0.0.0/8"}]}`,
		`{"a":[{"prefix":1}]}`, `{"a":[{"prefix":{"equals-ignore-case":"x"}}]}`, `{"a":[{"exists":"yes"}]}`, `{"a":[{"prefix":"x","exists":true}]}`, `{"a":[{}]}`,
		`{"a":[{"anything-but":["x",1]}]}`, `{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":true}]}`, `{"a":[{"anything-but":{"suffix":"x"}}]}`,
	} {
		if _, err := parsePattern(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestATransformerWordsTheInputAsEventBridgeDocumentsIt(t *testing.T) {
	t.Parallel()
	paths := map[string]string{
		"name": "$.detail.name", "type": "$.detail-type", "first": "$.resources[0]", "n": "$.detail.n", "nested": "$.detail.nested", "second": "$.detail.items[1].id", "gone": "$.detail.gone",
	}
	for template, want := range map[string]string{
		`"<name> is <type>: <first>"`:                       `"mautic/prod is Secret Label Updated: arn:one"`,
		`{"name": <name>, "n": <n>, "second": "<second>"}`:  `{"name": "mautic/prod", "n": 3, "second": "y"}`,
		`{"nested": <nested>}`:                              `{"nested": {"a":"b"}}`,
		`"nested is <nested>"`:                              `"nested is {a:b}"`,
		`"gone: <gone>"`:                                    `"gone: "`,
		`"say \"<name>\" twice: <name>"`:                    `"say \"mautic/prod\" twice: mautic/prod"`,
		"\"<name>\"\n\"<n>\"":                               "\"mautic/prod\"\n\"3\"",
		`"<aws.events.rule-name> of <aws.events.rule-arn>"`: `"r of arn:rule/r"`,
		`<name>`: `"mautic/prod"`,
	} {
		transformer := &InputTransformer{paths, template}
		if err := transformer.check(); err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		got, err := transformer.apply([]byte(sample), "arn:rule/r", fixedTime)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v", template, got, err)
		}
	}
	whole := &InputTransformer{nil, `{"event": <aws.events.event.json>, "at": <aws.events.event.ingestion-time>}`}
	got, err := whole.apply([]byte(sample), "arn:rule/r", fixedTime)
	var parsed struct {
		Event struct{ Source string }
		At    string
	}
	if err != nil || json.Unmarshal(got, &parsed) != nil || parsed.Event.Source != "aws.secretsmanager" || parsed.At != "2031-01-02T03:04:05Z" {
		t.Errorf("%s, %v", got, err)
	}
	for _, wrong := range []*InputTransformer{
		{paths, `no quotes <name>`}, {paths, `{"open": <name>`}, {paths, `"<unknown>"`}, {map[string]string{"a": "$..a"}, `"<a>"`},
		{map[string]string{"a": "detail.a"}, `"<a>"`}, {map[string]string{"aws.a": "$.a"}, `"<aws.a>"`}, {paths, ``},
	} {
		if err := wrong.check(); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
	if _, err := (&InputTransformer{paths, `{"gone": <gone>}`}).apply([]byte(sample), "", fixedTime); err == nil {
		t.Error("what is no JSON is delivered")
	}
}

var fixedTime = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
