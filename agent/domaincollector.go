package agent

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// domainCollector exports to Prometheus what virt-netboot status shows of domains.
type domainCollector struct {
	status func() reconcile.Status

	domains, warnings, connected, last, duration *prometheus.Desc
}

func newDomainCollector(status func() reconcile.Status) *domainCollector {
	return &domainCollector{
		status: status,
		domains: prometheus.NewDesc("virt_netboot_domains",
			"Domains of libvirt by state: failed, backing-off, reverted, would-change, unmatched, pending, warned, in-sync.",
			[]string{"state"}, nil),
		warnings: prometheus.NewDesc("virt_netboot_domain_warnings",
			"Domains that cannot boot from the network, or may find nothing to boot there, by reason: "+kinds()+".",
			[]string{"warning"}, nil),
		connected: prometheus.NewDesc("virt_netboot_libvirt_connected",
			"Whether the agent is connected to libvirt.", nil, nil),
		last: prometheus.NewDesc("virt_netboot_reconcile_last_success_timestamp_seconds",
			"When the last pass over all domains ended; 0 before the first one.", nil, nil),
		duration: prometheus.NewDesc("virt_netboot_reconcile_duration_seconds",
			"How long that took.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *domainCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.domains, c.warnings, c.connected, c.last, c.duration} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *domainCollector) Collect(metrics chan<- prometheus.Metric) {
	s := c.status()
	counts, warned := map[status.State]int{}, map[domainxml.WarningKind]int{}
	for _, d := range s.Domains {
		counts[status.StateOf(d)]++
		for _, kind := range warnings(d) {
			warned[kind]++
		}
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range status.States() {
		gauge(c.domains, float64(counts[state]), string(state))
	}
	for _, kind := range domainxml.WarningKinds() {
		gauge(c.warnings, float64(warned[kind]), string(kind))
	}
	gauge(c.connected, truth(s.Libvirt.Connected))
	gauge(c.last, seconds(s.LastReconcile))
	gauge(c.duration, s.Duration.Seconds())
}

// kinds are all kinds of warnings, in a list.
func kinds() string {
	var names []string
	for _, kind := range domainxml.WarningKinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

// warnings are the kinds of a domain's warnings, each once.
func warnings(d reconcile.DomainStatus) []domainxml.WarningKind {
	var kinds []domainxml.WarningKind
	for _, w := range d.Warnings {
		if !slices.Contains(kinds, w.Kind) {
			kinds = append(kinds, w.Kind)
		}
	}
	return kinds
}
