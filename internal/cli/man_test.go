package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/hook"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/probe"
)

// manPage is the Markdown of a manual page.
func manPage(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../packaging/man", name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sections are the parts of a page below the headings of a level, by heading.
func sections(page, mark string) map[string]string {
	parts := map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^`+mark+` `).Split(page, -1)[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n"+mark[1:]+" ") // of the level above
		parts[heading] = text
	}
	return parts
}

// terms are what a text's definition lists define, with what they say of it.
func terms(text string) map[string]string {
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S.*)\n: ((?:.+\n)+)`).FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2]
	}
	return all
}

// TestManCommands: virt-netboot(8) has every command and every flag of it, with its
// default, and no other.
func TestManCommands(t *testing.T) {
	page := manPage(t, "virt-netboot.8")
	described := sections(page, "###")
	var usages []string
	flags := map[string]bool{"--help": true, "--version": true}
	for _, cmd := range commands(newRoot()) {
		usage := strings.TrimPrefix(cmd.UseLine(), "virt-netboot ")
		usages = append(usages, usage)
		found := terms(described[usage])
		maps.DeleteFunc(found, func(term, _ string) bool { return !strings.HasPrefix(term, "**-") })
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			flags["--"+f.Name] = true
			said, ok := found[flagTerm(f)]
			delete(found, flagTerm(f))
			switch d := f.DefValue; {
			case !ok:
				t.Errorf("%s: %s is not there", usage, flagTerm(f))
			case !slices.Contains([]string{"", "0", "false", "[]"}, d) && !strings.Contains(said, strings.TrimSuffix(d, "0s")):
				t.Errorf("%s: the default of %s is %s, and that is not said in %q", usage, flagTerm(f), d, said)
			}
		})
		for term := range found {
			t.Errorf("%s: there is no flag %s", usage, term)
		}
	}
	slices.Sort(usages)
	if diff := cmp.Diff(usages, slices.Sorted(maps.Keys(described))); diff != "" {
		t.Errorf("commands: -the program's +the page's:\n%s", diff)
	}
	for _, flag := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(withoutFences(page), -1) {
		if !flags[flag] {
			t.Errorf("no command has %s", flag)
		}
	}
}

// commands are the commands that a user calls, without those that only group others.
func commands(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range parent.Commands() {
		switch {
		case cmd.HasAvailableSubCommands():
			all = append(all, commands(cmd)...)
		case cmd.IsAvailableCommand():
			all = append(all, cmd)
		}
	}
	return all
}

// flagTerm is a flag as the page's lists have it.
func flagTerm(f *pflag.Flag) string {
	term := "**--" + f.Name + "**"
	if f.Shorthand != "" {
		term = "**-" + f.Shorthand + "**, " + term
	}
	if value, _ := pflag.UnquoteUsage(f); value != "" {
		term += " *" + strings.ToUpper(value) + "*"
	}
	return term
}

// withoutFences is a page without its examples, which TestDocs looks at.
func withoutFences(page string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(page, "")
}

// TestManFiles: the files of virt-netboot(8) are where the program has them.
func TestManFiles(t *testing.T) {
	files := terms(sections(manPage(t, "virt-netboot.8"), "##")["FILES"])
	for _, path := range []string{
		config.DefaultPath,
		config.Default().Gateway.Listen,
		filepath.Join(status.Dir, status.Socket),
		hookreport.Socket,
		hook.DefaultProgram,
		hook.Hooks{Dir: hook.DefaultDir}.Link(),
	} {
		if files["*"+path+"*"] == "" {
			t.Errorf("%s is not among the files", path)
		}
	}
}

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

// TestManJSON: virt-netboot-json(5) has every field that the commands write, and no other.
func TestManJSON(t *testing.T) {
	page := sections(manPage(t, "virt-netboot-json.5"), "##")
	for section, value := range map[string]any{
		"rewrite --json":     jsonResult{},
		"plan --json":        planned{},
		"status --json":      status.Status{},
		"doctor --json":      []doctor.Result{},
		"probe --json":       probe.Report{},
		"hook status --json": hooksStatus{},
		"CHANGES":            jsonChange{},
		"WARNINGS":           jsonWarning{},
	} {
		var described []string
		for term := range terms(page[section]) {
			if m := regexp.MustCompile(`^\*\*(.+)\*\*$`).FindStringSubmatch(term); m != nil {
				described = append(described, m[1])
			}
		}
		slices.Sort(described)
		if diff := cmp.Diff(fields(t, value), described); diff != "" {
			t.Errorf("%s: -what is written +what is described:\n%s", section, diff)
		}
	}
}

// fields are the paths of the fields that a value of a type can have in JSON. A change's
// and a warning's own are described once.
func fields(t *testing.T, value any) []string {
	t.Helper()
	v := reflect.New(reflect.TypeOf(value)).Elem()
	fill(v)
	text, err := json.Marshal(v.Interface())
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	var visit func(path string, value any)
	visit = func(path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			if _, kind := v["kind"]; kind && v["text"] != nil && path != "" {
				return // a change or a warning
			}
			for key, below := range v {
				child := strings.TrimPrefix(path+"."+key, ".")
				all = append(all, child)
				visit(child, below)
			}
		case []any:
			for _, item := range v {
				visit(path, item)
			}
		}
	}
	visit("", doc)
	slices.Sort(all)
	return all
}

// fill gives everything in a value a value of its own that is not zero.
func fill(v reflect.Value) {
	switch v.Addr().Interface().(type) {
	case *time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	case *netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("10.0.0.1")))
		return
	case *netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("10.0.0.0/24")))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}
