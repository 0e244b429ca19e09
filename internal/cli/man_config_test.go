package cli

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestManConfig: virt-netboot.yaml(5) and the packaged configuration have every key that a
// configuration may have; the page also has each value that it may have, its default, and
// no other key.
func TestManConfig(t *testing.T) {
	said := map[string]string{}
	values := map[string]string{}
	for term, text := range terms(sections(manPage(t, "virt-netboot.yaml.5"), "##")["KEYS"]) {
		key, value, _ := strings.Cut(strings.TrimPrefix(term, "**"), "**")
		said[key], values[key] = text, strings.TrimPrefix(value, ": ")
	}
	accepted := acceptedKeys(t)
	packaged := packaged(t, "config.yaml")
	for path, choices := range accepted {
		at := strings.LastIndex(path, ".")
		if !strings.Contains(packaged, path[at+1:]+":") {
			t.Errorf("%s: the packaged configuration does not have it", path)
		}
		text, ok := said[path]
		if parent := said[path[:max(at, 0)]]; !ok && strings.Contains(parent, "{"+path[at+1:]+": ") { // a value in braces
			continue
		}
		section := slices.ContainsFunc(slices.Collect(maps.Keys(accepted)), func(k string) bool { return strings.HasPrefix(k, path+".") })
		if !ok && !section {
			t.Errorf("%s: it is not there", path)
		}
		for _, choice := range choices {
			if !strings.Contains(text, choice) {
				t.Errorf("%s: it may be %s, and that is not said in %q", path, choice, text)
			}
		}
	}
	for key := range said {
		if _, ok := accepted[key]; !ok {
			t.Errorf("%s: there is no such key", key)
		}
	}
	var defaults any
	if err := yaml.Unmarshal([]byte(packaged), &defaults); err != nil {
		t.Fatal(err)
	}
	for key, value := range scalars("", defaults) {
		if said, ok := values[key]; ok && said != "" && said != value {
			t.Errorf("%s: the default is %s, and the page says %s", key, value, said)
		} else if ok && said == "" && !strings.HasPrefix(key, "files.") {
			t.Errorf("%s: the page does not say that the default is %s", key, value)
		}
	}
	if len(accepted) < 30 {
		t.Errorf("only %d keys were found", len(accepted))
	}
}

// scalars are the values of a document that are no lists or maps, by their paths.
func scalars(path string, value any) map[string]string {
	all := map[string]string{}
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			maps.Copy(all, scalars(strings.TrimPrefix(path+"."+key, "."), below))
		}
	case []any:
		for _, item := range v {
			maps.Copy(all, scalars(path, item))
		}
	case string:
		all[path] = v
		if v == "" {
			all[path] = `""`
		}
	default:
		all[path] = fmt.Sprint(v)
	}
	return all
}

// acceptedKeys are the keys of a configuration with the values that one may have
// where these are few. The program that reads it tells them itself when it refuses
// others.
func acceptedKeys(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	refusal := func(yaml string) string {
		_, err := config.Parse("config.yaml", []byte(yaml))
		if err == nil {
			return ""
		}
		return err.Error()
	}
	allowed := regexp.MustCompile(`unknown key "other" \(allowed: (.*)\)`)
	choice := regexp.MustCompile(`"other" is not one of (.*)`)
	var visit func(path string, at func(value string) string)
	visit = func(path string, at func(value string) string) {
		if strings.Contains(refusal(at("{other: 1}")), "must be a list") {
			outer := at
			at = func(value string) string { return outer("[" + value + "]") }
		}
		if m := choice.FindStringSubmatch(refusal(at("other"))); m != nil {
			found[path] = strings.Split(m[1], ", ")
		}
		m := allowed.FindStringSubmatch(refusal(at("{other: 1}")))
		if m == nil {
			return
		}
		for key := range strings.SplitSeq(m[1], ", ") {
			below := strings.TrimPrefix(path+"."+key, ".")
			found[below] = nil
			visit(below, func(value string) string { return at("{" + key + ": " + value + "}") })
		}
	}
	visit("", func(value string) string { return value })
	return found
}
