package cloudformation

import "fmt"

// A Branch is what a Fn::If comes to when its condition is met, or is not. What
// is in no branch that a test takes, no test has seen.
type Branch struct {
	Line      int
	Condition string
	Met       bool
}

func (b Branch) String() string {
	if b.Met {
		return fmt.Sprintf("line %d, with %s", b.Line, b.Condition)
	}
	return fmt.Sprintf("line %d, without %s", b.Line, b.Condition)
}

// Branches are all those in a resource, but for those that are AWS::NoValue.
func (t *Template) Branches(logicalID string) []Branch { return branches(nil, t.resources[logicalID]) }

func branches(found []Branch, in any) []Branch {
	switch in := in.(type) {
	case map[string]any:
		for _, member := range in {
			found = branches(found, member)
		}
	case []any:
		for _, item := range in {
			found = branches(found, item)
		}
	case call:
		args, ok := in.arg.([]any)
		if in.name == "Fn::If" && ok && len(args) == 3 {
			condition, _ := args[0].(string)
			for i, met := range []bool{true, false} {
				if c, isCall := args[i+1].(call); !isCall || c.name != "Ref" || c.arg != "AWS::NoValue" {
					found = append(found, Branch{in.line, condition, met})
				}
			}
		}
		found = branches(found, in.arg)
	}
	return found
}
