package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// key is a key of the configuration, or with an example of its value one that has
// no default.
type key struct {
	path   string // such as gateway.listen; a list's items are not counted
	indent int
	value  string // in the file; "" for a section
	items  []string
	text   []string
}

// parseKeys reads the packaged configuration. Its comments say what the keys mean,
// above each or behind it, until an empty line. Where no space follows the "#", it
// begins an example of a key without a default, with those below it. The comment
// at the file's beginning is about the file.
func parseKeys(config string) ([]key, error) {
	_, config, _ = strings.Cut(config, "\n\n")
	var keys []key
	var text []string
	for line := range strings.Lines(config) {
		line = uncommented(strings.TrimRight(line, "\n"))
		content := strings.TrimSpace(line)
		switch k, ok := parseKey(line); {
		case content == "":
			text = nil
		case content[0] == '#':
			text = append(text, strings.TrimPrefix(content[1:], " "))
		case ok:
			k.path = pathOf(keys, k)
			k.text = append(text, k.text...)
			keys, text = append(keys, k), nil
		case len(keys) > 0 && strings.HasPrefix(content, "- "):
			last := &keys[len(keys)-1]
			last.items = append(last.items, content)
		default:
			return nil, fmt.Errorf("the configuration's line %q is neither a key nor a comment", line)
		}
	}
	return keys, nil
}

// uncommented is a line of an example without its comment mark.
func uncommented(line string) string {
	m := regexp.MustCompile(`^( *)#((?:  +)?\S.*)$`).FindStringSubmatch(line)
	if m == nil {
		return line
	}
	return m[1] + m[2]
}

// parseKey reads a line with a key. Its path is the key alone.
func parseKey(line string) (key, bool) {
	m := regexp.MustCompile(`^( *(?:- )?)([a-z_]+):(?: (.*?))?(?: +# (.*))?$`).FindStringSubmatch(line)
	if m == nil {
		return key{}, false
	}
	k := key{path: m[2], indent: len(m[1]), value: strings.TrimSpace(m[3])}
	if m[4] != "" {
		k.text = []string{m[4]}
	}
	return k, true
}

// pathOf is the path of a key that comes after others.
func pathOf(before []key, k key) string {
	for i := len(before) - 1; i >= 0; i-- {
		if before[i].indent < k.indent {
			return before[i].path + "." + k.path
		}
	}
	return k.path
}

// keyList is the list of keys with their meaning, each with those below it.
func keyList(keys []key) []item {
	var list []item
	for len(keys) > 0 {
		k := keys[0]
		n := 1
		for n < len(keys) && keys[n].indent > k.indent {
			n++
		}
		text := parseText(strings.Join(k.text, "\n"))
		if k.items != nil {
			text = append(text, block{example: k.items})
		}
		if n > 1 {
			text = append(text, block{list: keyList(keys[1:n])})
		}
		list = append(list, item{k.term(), text})
		keys = keys[n:]
	}
	return list
}

func (k key) term() string {
	name := k.path[strings.LastIndex(k.path, ".")+1:] + ":"
	if k.value == "" {
		return name
	}
	return name + " " + k.value
}
