package logs

import (
	"fmt"
	"strings"
)

// scanner takes a text apart.
type scanner struct {
	text string
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) && strings.ContainsRune(" \t\r\n", rune(s.text[s.at])) {
		s.at++
	}
}

// end tells whether nothing but space is left.
func (s *scanner) end() bool {
	s.space()
	return s.at == len(s.text)
}

// rest is what is left, for an error.
func (s *scanner) rest() string {
	s.space()
	return s.text[s.at:]
}

// accept takes one of the marks, of which a longer one comes before those that it begins with; "" if none is next.
func (s *scanner) accept(marks ...string) string {
	s.space()
	for _, mark := range marks {
		if strings.HasPrefix(s.text[s.at:], mark) {
			s.at += len(mark)
			return mark
		}
	}
	return ""
}

// keyword takes a word, whose case does not matter, if it is next and nothing of a word follows it.
func (s *scanner) keyword(word string) bool {
	s.space()
	end := s.at + len(word)
	if end > len(s.text) || !strings.EqualFold(s.text[s.at:end], word) || end < len(s.text) && isWord(s.text[end]) {
		return false
	}
	s.at = end
	return true
}

func isWord(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// word takes the longest text of letters, digits, _ and the other characters; "" if there is none.
func (s *scanner) word(others string) string {
	s.space()
	from := s.at
	for s.at < len(s.text) && (isWord(s.text[s.at]) || strings.IndexByte(others, s.text[s.at]) >= 0) {
		s.at++
	}
	return s.text[from:s.at]
}

// quoted takes a text between two of the mark, in which a backslash stands before one that does not end it.
func (s *scanner) quoted(mark byte) (string, error) {
	s.space()
	if s.at == len(s.text) || s.text[s.at] != mark {
		return "", fmt.Errorf("%c is missing at %q", mark, s.rest())
	}
	var b strings.Builder
	for i := s.at + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == mark:
			s.at = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(s.text) && (s.text[i+1] == mark || s.text[i+1] == '\\' && mark != '/'):
			i++
			b.WriteByte(s.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("%c does not end at %q", mark, s.rest())
}
