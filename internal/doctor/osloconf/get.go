package osloconf

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// UnsetError is a value that names an option which no file sets, so that only
// the service knows what stands there.
type UnsetError struct {
	Value         // as it is in the file
	Option string // GROUP.OPTION
}

func (e *UnsetError) Error() string {
	return fmt.Sprintf("%s names the option %s, which no file sets", e.Text, e.Option)
}

// Get returns what an option, GROUP.OPTION, is set to, with the values of the
// options that it names put in. The option may have had other names before; the
// last file with one of the names decides. It is false where no file has any,
// and an error where an option that is named is not set or contains itself.
func (c *Config) Get(name string, before ...string) (Value, bool, error) {
	names := []key{parseKey(name)}
	for _, n := range before {
		names = append(names, parseKey(n))
	}
	return c.get(names, nil)
}

func parseKey(name string) key {
	group, option, _ := strings.Cut(name, ".")
	return key{normalGroup(group), option}
}

func (c *Config) get(names []key, within []key) (Value, bool, error) {
	k, v, ok := c.lookup(names)
	if !ok {
		return Value{}, false, nil
	}
	if slices.Contains(within, k) {
		return v, true, fmt.Errorf("%s.%s contains itself", k.group, k.option)
	}
	text, err := c.expand(v, k.group, append(within, k))
	if err == nil {
		v.Text = text
	}
	return v, true, err
}

// lookup finds the value of the first of the names, or of the last file that has
// any.
func (c *Config) lookup(names []key) (key, Value, bool) {
	if c.Getenv != nil {
		name := "OS_" + strings.ToUpper(names[0].group) + "__" + strings.ToUpper(names[0].option)
		if text, ok := c.Getenv(name); ok {
			return names[0], Value{Text: text, File: name}, true
		}
	}
	for _, file := range c.files {
		for _, k := range names {
			if v, ok := file[k]; ok {
				return k, v, true
			}
		}
	}
	return key{}, Value{}, false
}

// reference is $$, $option, $group.option or one of them in braces: Python's
// string.Template with oslo.config's idpattern.
const reference = `\$(?:(\$)|([_a-zA-Z][._a-zA-Z0-9]*)|\{([_a-zA-Z][._a-zA-Z0-9]*)\})`

// expand puts in what the references in a value of the group stand for.
func (c *Config) expand(v Value, group string, within []key) (string, error) {
	text := strings.ReplaceAll(v.Text, `\$`, "$$")
	var errs []error
	text = replaceAll(regexp.MustCompile(reference), text, func(m []string) string {
		if m[1] != "" {
			return "$"
		}
		put, err := c.reference(m[2]+m[3], v, group, within)
		errs = append(errs, err)
		return put
	})
	return text, errors.Join(errs...)
}

// reference is the value that a reference stands for: an option of the group
// that it names, else of the group that the value is in, else of DEFAULT.
func (c *Config) reference(name string, in Value, group string, within []key) (string, error) {
	k := key{group, name}
	if strings.Contains(name, ".") {
		k = parseKey(name)
	}
	for _, k := range []key{k, {DefaultGroup, name}} {
		if v, ok, err := c.get([]key{k}, within); ok || err != nil {
			return v.Text, err
		}
	}
	return "", &UnsetError{Value: in, Option: k.group + "." + k.option}
}

// replaceAll is regexp.ReplaceAllStringFunc with the submatches.
func replaceAll(re *regexp.Regexp, s string, f func(match []string) string) string {
	return re.ReplaceAllStringFunc(s, func(match string) string { return f(re.FindStringSubmatch(match)) })
}
