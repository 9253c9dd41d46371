package mysqlproxy

import "strings"

// redact replaces each literal that may hold a password by '…': quoted strings, with either quote, and hexadecimal numbers.
// backslashEscapes tells whether a backslash in a string escapes the next character, as it does unless the session's SQL mode has
// NO_BACKSLASH_ESCAPES. To mistake that is to take what is within quotes for what is between them.
func redact(sql string, backslashEscapes bool) string {
	var out strings.Builder
	for sql != "" {
		switch end := 0; {
		case sql[0] == '\'' || sql[0] == '"':
			end = quotedEnd(sql, backslashEscapes)
			out.WriteString("'…'")
			sql = sql[end:]
		case strings.HasPrefix(sql, "0x"):
			end = 2 + len(sql[2:]) - len(strings.TrimLeft(sql[2:], "0123456789abcdefABCDEF"))
			out.WriteString("'…'")
			sql = sql[end:]
		default:
			// Names and comments are kept, and passed over, as they may contain quotes.
			end = plainEnd(sql)
			out.WriteString(sql[:end])
			sql = sql[end:]
		}
	}
	return out.String()
}

// quotedEnd returns the length of the quoted string at the start of sql. One that does not end reaches to the end.
func quotedEnd(sql string, backslashEscapes bool) int {
	quote := sql[0]
	for i := 1; i < len(sql); i++ {
		switch {
		case sql[i] == '\\' && backslashEscapes:
			i++
		case sql[i] == quote && strings.HasPrefix(sql[i+1:], string(quote)):
			i++ // a doubled quote stands for one
		case sql[i] == quote:
			return i + 1
		}
	}
	return len(sql)
}

// plainEnd returns the length of the name, comment or other character at the start of sql.
func plainEnd(sql string) int {
	through := func(mark string, from int) int {
		i := strings.Index(sql[from:], mark)
		if i < 0 {
			return len(sql)
		}
		return from + i + len(mark)
	}
	switch {
	case sql[0] == '`':
		return through("`", 1) // a doubled one reads as two names, which does no harm
	case sql[0] == '#', len(sql) > 2 && sql[:2] == "--" && sql[2] <= ' ':
		return through("\n", 1)
	case strings.HasPrefix(sql, "/*!"), strings.HasPrefix(sql, "/*M!"):
		return 3 // the server executes what is in there
	case strings.HasPrefix(sql, "/*"):
		return through("*/", 2)
	default:
		return 1
	}
}
