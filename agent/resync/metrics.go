package resync

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the watcher's Prometheus metrics.
type Metrics struct {
	writes   *prometheus.CounterVec
	failures *prometheus.CounterVec
	success  *prometheus.GaugeVec
}

// NewMetrics makes the watcher's metrics and registers them. Registering them
// twice panics, as prometheus.MustRegister does.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	label := []string{"file"}
	m := &Metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "virt_netboot_resync_writes_total",
			Help: "How often a file of Nova's was patched.",
		}, label),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "virt_netboot_resync_failures_total",
			Help: "How often a file of Nova's could not be brought in line.",
		}, label),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "virt_netboot_resync_last_success_timestamp_seconds",
			Help: "When a file of Nova's was last found or put in line.",
		}, label),
	}
	reg.MustRegister(m.writes, m.failures, m.success)
	return m
}

// count counts one look at a file. A nil Metrics counts nothing.
func (m *Metrics) count(t *target, out outcome) {
	if m == nil {
		return
	}
	if out.wrote {
		m.writes.WithLabelValues(t.Path).Inc()
	}
	switch t.status.State {
	case StateFailed:
		m.failures.WithLabelValues(t.Path).Inc()
	case StateInLine:
		m.success.WithLabelValues(t.Path).SetToCurrentTime()
	}
}
