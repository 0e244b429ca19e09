package agent

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/httpserver"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

// newRegistry is where the components register their metrics.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "virt_netboot_build_info",
		Help:        "1, with the agent's version.",
		ConstLabels: prometheus.Labels{"version": version.Version},
	})
	build.Set(1)
	registry.MustRegister(
		build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// serveMetrics serves Prometheus at metrics.listen until the context ends. An error is
// only logged: no instance depends on metrics.
func (a *Agent) serveMetrics(ctx context.Context) {
	address := a.config.Current().Metrics.Listen
	if address == "" {
		return
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		a.log.WithError(err).Error(`no metrics: set metrics.listen to an address that is free, or to "" for none`)
		return
	}
	a.log.Infof("metrics at http://%s/metrics", l.Addr())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{ErrorLog: a.log}))
	if err := httpserver.Serve(ctx, l, mux); err != nil {
		a.log.WithError(err).Error("the metrics have ended")
	}
}

// registerConfig registers the configuration's metrics, named as Prometheus names its
// own.
func registerConfig(registry *prometheus.Registry, c *reload.Configuration) {
	gauge := func(name, help string, value func(reload.Status) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "virt_netboot_config_" + name, Help: help},
			func() float64 { return value(c.Status()) },
		))
	}
	gauge("last_reload_successful", "Whether the configuration's file had no error when it was last read.",
		func(s reload.Status) float64 { return truth(s.Error == "") })
	gauge("last_reload_success_timestamp_seconds", "When the configuration in force was read.",
		func(s reload.Status) float64 { return seconds(s.Loaded) })
	gauge("observe", "Whether the configuration in force has mode: observe, which changes nothing.",
		func(s reload.Status) float64 { return truth(s.Mode == config.ModeObserve) })
}

// truth is a bool as Prometheus has it.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is a time as Prometheus has it, 0 for never.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
