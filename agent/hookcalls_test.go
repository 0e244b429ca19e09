package agent

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestHookCalls: a domain whose original the gateway has sent counts as resent and not
// as unprepared or denied.
func TestHookCalls(t *testing.T) {
	h := newHookCalls(prometheus.NewRegistry(), func(domain string) bool { return domain == "a b" }, quiet())
	for _, report := range []string{
		"prepare unprepared a b", "prepare denied a b", "prepare unchanged a b", "migrate rewritten a b",
		"prepare unprepared a", "prepare denied c", "prepare unprepared", "no report",
	} {
		h.count([]byte(report))
	}
	for _, want := range []struct {
		operation, result string
		calls             float64
	}{
		{"prepare", "resent", 2}, {"prepare", "unprepared", 2}, {"prepare", "denied", 1}, {"prepare", "unchanged", 1},
		{"migrate", "rewritten", 1}, {"migrate", "resent", 0},
	} {
		var m dto.Metric
		if err := h.calls.WithLabelValues(want.operation, want.result).Write(&m); err != nil {
			t.Fatal(err)
		}
		if got := m.GetCounter().GetValue(); got != want.calls {
			t.Errorf("%s %s is counted %v times, want %v", want.operation, want.result, got, want.calls)
		}
	}
}
