package cloudformation

import (
	"strings"
	"testing"
)

func TestResourcesComeAfterWhatTheyDependOn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{A: {Properties: {P: !Ref B}}, B: {}}":                                                      "B A",
		"{A: {Properties: {P: !GetAtt B.Arn}}, B: {}}":                                               "B A",
		"{A: {Properties: {P: [{Q: !Sub 'x-${B.Arn}-${AWS::Region}-${!C}'}]}}, B: {}, C: {}}":        "B A C",
		"{A: {Properties: {P: !Sub ['${X}', {X: !Ref B}]}}, B: {}}":                                  "B A",
		"{A: {Properties: {P: !If [X, !Ref C, !Select [0, [!Join ['', [!Ref B]]]]]}}, B: {}, C: {}}": "B C A",
		"{A: {DependsOn: C}, B: {DependsOn: [A, C]}, C: {}}":                                         "C A B",
		"{A: {DependsOn: B}, B: {DependsOn: A}}":                                                     "A depends on itself: A → B",
		"{A: {DependsOn: Gone}, Gone: {}, B: {}}":                                                    "A B",
	} {
		template, err := Parse([]byte("Resources: " + text))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for id := range template.resources {
			if id != "Gone" {
				ids = append(ids, id)
			}
		}
		order, err := template.Order(ids)
		got := strings.Join(order, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q", text, got)
		}
	}
}
