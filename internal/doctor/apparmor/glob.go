package apparmor

import (
	"regexp"
	"strings"
)

// pattern is a glob of apparmor.d(5) as a regular expression. It is false where
// the glob has a variable without a value.
func (l *loader) pattern(glob string) (pattern string, known bool) {
	var b strings.Builder
	braces := 0
	for i := 0; i < len(glob); i++ {
		rest := glob[i:]
		switch c := glob[i]; {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case strings.HasPrefix(rest, "@{"):
			end := strings.Index(rest, "}")
			if end < 0 {
				return "", false
			}
			value, known := l.value(rest[:end+1], rest[end+1:])
			if !known {
				return "", false
			}
			b.WriteString(value)
			i += end
		case c == '{':
			braces++
			b.WriteString("(?:")
		case c == '}':
			braces--
			b.WriteString(")")
		case c == ',' && braces > 0:
			b.WriteString("|")
		case c == '[' && strings.Contains(rest, "]"):
			end := strings.Index(rest, "]")
			b.WriteString(rest[:end+1])
			i += end
		case c == '\\' && len(rest) > 1:
			b.WriteString(regexp.QuoteMeta(rest[1:2]))
			i++
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
		}
	}
	return b.String(), true
}

// value is a variable as a regular expression: one of its values. What follows
// it tells whether the slash at a value's end would be a second one.
func (l *loader) value(name, next string) (pattern string, known bool) {
	values := l.variables[name]
	l.variables[name] = nil // in itself it has no value
	defer func() { l.variables[name] = values }()
	var all []string
	for _, v := range values {
		if strings.HasPrefix(next, "/") {
			v = strings.TrimSuffix(v, "/")
		}
		p, known := l.pattern(v)
		if !known {
			return "", false
		}
		all = append(all, p)
	}
	return "(?:" + strings.Join(all, "|") + ")", len(all) > 0
}
