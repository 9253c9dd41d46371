package secretsmanager

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"mautic-rotation/internal/localaws/wire"
)

// Filter narrows a list of secrets down to those of which an attribute matches one of the values. A value that begins with
// "!" matches those of which no attribute does.
type Filter struct {
	Key    string // name, description, tag-key, tag-value, primary-region, owning-service, all
	Values []string
}

// checkFilters checks filters as the service's model does.
func checkFilters(filters []Filter) error {
	for i, f := range filters {
		switch {
		case f.Key == "":
			return invalidParameter("Invalid filter key")
		case attributes[f.Key] == nil && f.Key != "all":
			return wire.Validation(" '"+f.Key+"'", fmt.Sprintf("filters.%d.member.key", i+1),
				"satisfy enum value set: [all, name, tag-key, description, tag-value, primary-region, owning-service]")
		case len(f.Values) == 0:
			return invalidParameter("Invalid filter values for key: %s", f.Key)
		case len(f.Values) > 10:
			return wire.Validation("", fmt.Sprintf("filters.%d.member.values", i+1), "have length less than or equal to 10")
		}
		for _, v := range f.Values {
			if err := wire.CheckLength(fmt.Sprintf("filters.%d.member.values", i+1), v, 0, 512); err != nil {
				return err
			}
		}
	}
	return nil
}

// attributes are what filters look at: the beginning of each of these, case-sensitive unless it is a description.
var attributes = map[string]func(*secret) []string{
	"name":           func(s *secret) []string { return []string{s.name} },
	"description":    func(s *secret) []string { return []string{s.description} },
	"tag-key":        func(s *secret) []string { return s.tagTexts(func(key, _ string) string { return key }) },
	"tag-value":      func(s *secret) []string { return s.tagTexts(func(_, value string) string { return value }) },
	"primary-region": func(s *secret) []string { return []string{s.primaryRegion} },
	"owning-service": func(s *secret) []string { return []string{s.owningService} },
}

func (s *secret) tagTexts(of func(key, value string) string) (texts []string) {
	for key, value := range s.tags {
		texts = append(texts, of(key, value))
	}
	return texts
}

// matches tells whether all of the filters match.
func (s *secret) matches(filters []Filter) bool {
	return !slices.ContainsFunc(filters, func(f Filter) bool { return !s.matchesOne(f) })
}

func (s *secret) matchesOne(f Filter) bool {
	return slices.ContainsFunc(f.Values, func(value string) bool {
		wanted, negated := strings.CutPrefix(value, "!")
		return s.has(f.Key, wanted) != negated
	})
}

// has tells whether an attribute begins with a text or, for the key "all", whether a word of any attribute that people write
// begins with a word of the text.
func (s *secret) has(key, text string) bool {
	switch key {
	case "all":
		var all []string
		for _, k := range []string{"name", "description", "tag-key", "tag-value"} {
			for _, attribute := range attributes[k](s) {
				all = append(all, words(attribute)...)
			}
		}
		return slices.ContainsFunc(words(text), func(w string) bool {
			return slices.ContainsFunc(all, func(a string) bool { return strings.HasPrefix(a, w) })
		})
	case "description":
		return strings.HasPrefix(strings.ToLower(s.description), strings.ToLower(text))
	}
	return slices.ContainsFunc(attributes[key](s), func(a string) bool { return a != "" && strings.HasPrefix(a, text) })
}

// words breaks a text into its words, in lower case: credsDatabase#892 into creds, database and 892. A word ends before an
// upper-case letter that follows a lower-case one, between letters and digits, and at all other characters.
func words(text string) (list []string) {
	var word []rune
	end := func() {
		if len(word) > 0 {
			list = append(list, strings.ToLower(string(word)))
		}
		word = nil
	}
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			end()
			continue
		}
		if len(word) > 0 {
			last := word[len(word)-1]
			if unicode.IsDigit(last) != unicode.IsDigit(r) || unicode.IsLower(last) && unicode.IsUpper(r) {
				end()
			}
		}
		word = append(word, r)
	}
	end()
	return list
}
