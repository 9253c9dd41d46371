package cloudformation

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Order lists resources so that each comes after those that it depends on: what it
// refers to, and what its DependsOn names. Among those that do not depend on each
// other it is by name. Resources that are not among ids are left out.
func (t *Template) Order(ids []string) ([]string, error) {
	var order, under []string
	var visit func(id string) error
	visit = func(id string) error {
		if slices.Contains(under, id) {
			return fmt.Errorf("%s depends on itself: %s", id, strings.Join(under, " → "))
		}
		if slices.Contains(order, id) {
			return nil
		}
		under = append(under, id)
		for _, needed := range t.needs(id) {
			if slices.Contains(ids, needed) {
				if err := visit(needed); err != nil {
					return err
				}
			}
		}
		under = under[:len(under)-1]
		order = append(order, id)
		return nil
	}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		if err := visit(id); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// needs are the resources that one names, by any branch.
func (t *Template) needs(id string) []string {
	found := map[string]bool{}
	declaration, _ := t.resources[id].(map[string]any)
	switch on := declaration["DependsOn"].(type) {
	case string:
		found[on] = true
	case []any:
		for _, one := range on {
			found[fmt.Sprint(one)] = true
		}
	}
	t.namesIn(declaration["Properties"], found)
	for name := range found {
		if t.resources[name] == nil || name == id {
			delete(found, name)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

var hole = regexp.MustCompile(`\$\{([A-Za-z0-9]+)[.}]`)

// namesIn finds the names in a value's functions.
func (t *Template) namesIn(value any, found map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			t.namesIn(member, found)
		}
	case []any:
		for _, item := range value {
			t.namesIn(item, found)
		}
	case call:
		switch value.name {
		case "Ref", "Fn::GetAtt":
			name, _ := value.arg.(string)
			if list, ok := value.arg.([]any); ok && len(list) > 0 {
				name, _ = list[0].(string)
			}
			name, _, _ = strings.Cut(name, ".")
			found[name] = true
		case "Fn::Sub":
			text, _ := value.arg.(string)
			if list, ok := value.arg.([]any); ok && len(list) > 0 {
				text, _ = list[0].(string)
			}
			for _, m := range hole.FindAllStringSubmatch(text, -1) {
				found[m[1]] = true
			}
		}
		t.namesIn(value.arg, found)
	}
}
