package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelection(t *testing.T) {
	all := []string{componentGateway, componentReconcile, componentFiles, componentMetrics}
	for _, test := range []struct {
		name  string
		flags []string
		want  []string // the parts that run
		fails bool
	}{
		{"no flag", nil, all, false},
		{"one", []string{"files"}, []string{componentFiles}, false},
		{"a list", []string{"metrics,gateway"}, []string{componentGateway, componentMetrics}, false},
		{"the flag twice", []string{"files", "reconcile"}, []string{componentReconcile, componentFiles}, false},
		{"unknown", []string{"gateway,doctor"}, nil, true},
		{"empty", []string{""}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Components
			var err error
			for _, list := range test.flags {
				if err == nil {
					err = s.Set(list)
				}
			}
			if test.fails != (err != nil) {
				t.Fatalf("fails: %v, error: %v", test.fails, err)
			}
			if test.fails {
				return
			}
			var got []string
			for _, part := range all {
				if s.has(part) {
					got = append(got, part)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
