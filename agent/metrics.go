package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

// newRegistry is where the agent's parts register their metrics.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// serveMetrics answers Prometheus at address until the context ends; "" is
// nowhere. What goes wrong is logged: nobody's instance depends on it.
func serveMetrics(ctx context.Context, address string, registry *prometheus.Registry, log *logrus.Logger) {
	if address == "" {
		return
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.WithError(err).Error(`no metrics: set metrics.listen to an address that is free, or to "" for none`)
		return
	}
	log.Infof("metrics at http://%s/metrics", l.Addr())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: log}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.WithError(err).Error("no more metrics")
	}
}
