package cli

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/explain"
	"github.com/virt-netboot/virt-netboot/internal/probe"
	"github.com/virt-netboot/virt-netboot/internal/timeline"
)

// TestManJSON: virt-netboot-json(5) has every field that the commands write, and no other.
func TestManJSON(t *testing.T) {
	page := sections(manPage(t, "virt-netboot-json.5"), "##")
	for section, value := range map[string]any{
		"rewrite --json":     jsonResult{},
		"plan --json":        planned{},
		"status --json":      nodeStatus{},
		"doctor --json":      []doctor.Result{},
		"probe --json":       probe.Report{},
		"explain --json":     explain.Explanation{},
		"trace --json":       timeline.Event{},
		"hook status --json": hooksStatus{},
		"CHANGES":            domainxml.Change{},

		"trace --json, the last line": timeline.Verdict{},
		"WARNINGS":                    domainxml.Warning{},
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
