package gateway

import "github.com/prometheus/client_golang/prometheus"

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
	resultUnparsed  = "unparsed" // passed on as it was, since it could not be read
	resultRefused   = "refused"  // rewritten, and libvirt refused it
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
			Help: "Calls with domain or device XML, by libvirt's procedure and what became of them: rewritten, unchanged, unparsed, refused.",
		}, []string{"procedure", "result"}),
	}
	reg.MustRegister(m.clients, m.rejected, m.calls)
	return m
}
