package agent

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virt-netboot/virt-netboot/agent/resync"
	"github.com/virt-netboot/virt-netboot/agent/status"
)

// filesStatus is the status of Nova's files, and whether an agent keeps them patched:
// this one or that of virt-netboot-files.service, which has no network to serve metrics
// on and so is asked.
func (a *Agent) filesStatus() (files []resync.Status, running bool) {
	if a.only.has(status.ComponentFiles) {
		return a.files.status(), true
	}
	const patience = 5 * time.Second // half of what Prometheus waits for all metrics
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := status.Get(ctx, filepath.Join(a.dir, status.FilesSocket))
	return s.Files, err == nil
}

// fileCollector exports to Prometheus what virt-netboot status shows of Nova's files.
type fileCollector struct {
	files func() ([]resync.Status, bool)

	running, state, writes, failures, last *prometheus.Desc
}

func newFileCollector(files func() ([]resync.Status, bool)) *fileCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("virt_netboot_resync_"+name, help, labels, nil)
	}
	return &fileCollector{
		files: files,
		running: desc("running",
			"Whether an agent keeps Nova's files patched: this one, or the one of virt-netboot-files.service."),
		state: desc("state",
			"1 for the state of a file of Nova's: in sync, would change, missing, reverted, busy, failed.", "file", "state"),
		writes: desc("writes_total",
			"How often a file of Nova's was patched.", "file"),
		failures: desc("failures_total",
			"How often a file of Nova's could not be brought in sync.", "file"),
		last: desc("last_success_timestamp_seconds",
			"When a file of Nova's was last in sync; 0 before the first time.", "file"),
	}
}

// Describe implements prometheus.Collector.
func (c *fileCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.running, c.state, c.writes, c.failures, c.last} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *fileCollector) Collect(metrics chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	files, running := c.files()
	send(c.running, prometheus.GaugeValue, truth(running))
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Path] { // the configuration may name a file twice
			continue
		}
		seen[f.Path] = true
		for _, s := range resync.States() {
			send(c.state, prometheus.GaugeValue, truth(f.State == s), f.Path, string(s))
		}
		send(c.writes, prometheus.CounterValue, float64(f.Writes), f.Path)
		send(c.failures, prometheus.CounterValue, float64(f.Failures), f.Path)
		send(c.last, prometheus.GaugeValue, seconds(f.InSync), f.Path)
	}
}
