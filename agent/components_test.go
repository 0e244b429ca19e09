package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/status"
)

func TestComponents(t *testing.T) {
	all := AllComponents()
	for _, test := range []struct {
		name  string
		flags []string
		want  []string // the components that run
		fails bool
	}{
		{"no flag", nil, all, false},
		{"one", []string{"files"}, []string{status.ComponentFiles}, false},
		{"a list", []string{"metrics,gateway"}, []string{status.ComponentGateway, status.ComponentMetrics}, false},
		{"the flag twice", []string{"files", "reconcile"}, []string{status.ComponentReconcile, status.ComponentFiles}, false},
		{"unknown", []string{"gateway,doctor"}, nil, true},
		{"empty", []string{""}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Components
			var err error
			for _, list := range test.flags {
				if err == nil {
					err = c.Set(list)
				}
			}
			if test.fails != (err != nil) {
				t.Fatalf("fails: %v, error: %v", test.fails, err)
			}
			if test.fails {
				return
			}
			var got []string
			for _, component := range all {
				if c.has(component) {
					got = append(got, component)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
