package gateway

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// Metrics are the gateway's Prometheus metrics.
type Metrics struct {
	clients  prometheus.Gauge
	rejected *prometheus.CounterVec
	calls    *prometheus.CounterVec
}

// What became of a call with XML, the label "result".
const (
	resultRewritten = "rewritten"
	resultUnchanged = "unchanged"
	resultObserved  = "observed" // would be rewritten, but for mode: observe
	resultUnparsed  = "unparsed" // passed on as it was, since it could not be read, and libvirt took it
	resultRefused   = "refused"  // libvirt refused it as rewritten, but took it as it was, or was not asked
)

// Why a client was turned away, the label "reason".
const (
	rejectIdentity = "identity" // we could not become the client
	rejectUpstream = "upstream" // libvirt's socket refused the client or was not there
	rejectProtocol = "protocol" // not libvirt's protocol
)

// NewMetrics makes the gateway's metrics and registers them. Registering them
// twice panics, as prometheus.MustRegister does.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		clients: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "virt_netboot_gateway_clients",
			Help: "Clients connected to the gateway.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "virt_netboot_gateway_clients_rejected_total",
			Help: "Connections that the gateway ended, by reason: identity, upstream, protocol.",
		}, []string{"reason"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "virt_netboot_gateway_calls_total",
			Help: "Calls with domain or device XML, by libvirt's procedure and what became of them: rewritten, unchanged, observed, unparsed, refused.",
		}, []string{"procedure", "result"}),
	}
	reg.MustRegister(m.clients, m.rejected, m.calls)
	m.initialize()
	return m
}

// initialize makes every counter there is, at 0. One that appeared at 1 would have
// no increase that an alert could see.
func (m *Metrics) initialize() {
	for _, reason := range reasons() {
		m.rejected.WithLabelValues(reason)
	}
	for _, proc := range procedures() {
		for _, result := range []string{resultRewritten, resultUnchanged, resultObserved, resultUnparsed, resultRefused} {
			m.calls.WithLabelValues(proc.String(), result)
		}
	}
}

// Stats are the figures of a gateway, all but Clients since its start.
type Stats struct {
	Clients int `json:"clients"` // connected now
	// Calls with domain or device XML, by what became of them.
	Rewritten int `json:"rewritten"`
	Unchanged int `json:"unchanged"`
	Observed  int `json:"observed"`
	Unparsed  int `json:"unparsed"`
	Refused   int `json:"refused"` // each was rewritten too
	// Rejected connections were ended by the gateway.
	Rejected int `json:"rejected"`
}

// Stats reads the metrics.
func (m *Metrics) Stats() Stats {
	calls := func(result string) (n int) {
		for _, proc := range procedures() {
			n += value(m.calls.WithLabelValues(proc.String(), result))
		}
		return n
	}
	s := Stats{
		Clients:   value(m.clients),
		Rewritten: calls(resultRewritten),
		Unchanged: calls(resultUnchanged),
		Observed:  calls(resultObserved),
		Unparsed:  calls(resultUnparsed),
		Refused:   calls(resultRefused),
	}
	for _, reason := range reasons() {
		s.Rejected += value(m.rejected.WithLabelValues(reason))
	}
	return s
}

// value is a gauge's or counter's.
func value(m prometheus.Metric) int {
	var d dto.Metric
	if m.Write(&d) != nil {
		return 0 // only a metric that was made wrongly
	}
	return int(d.GetCounter().GetValue() + d.GetGauge().GetValue())
}

func procedures() []rpc.Procedure {
	return slices.Concat(rpc.DomainProcedures(), rpc.DeviceProcedures())
}

func reasons() []string { return []string{rejectIdentity, rejectUpstream, rejectProtocol} }
