package agent

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/unixsocket"
)

// hookCalls counts the calls of libvirt's hook. The hook reports each.
type hookCalls struct {
	calls *prometheus.CounterVec
	last  prometheus.Gauge
	// originalSent reports whether the gateway has sent a domain as its client wrote it.
	originalSent func(domain string) bool
	log          *logrus.Logger
}

// resultOriginalSent is what a call counts as that would be unprepared or denied, but
// for a domain that did not bypass the gateway: libvirt refused it as rewritten.
const resultOriginalSent = "original-sent"

func newHookCalls(registry *prometheus.Registry, originalSent func(domain string) bool, log *logrus.Logger) *hookCalls {
	h := &hookCalls{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "virt_netboot_hook_calls_total",
			Help: "Calls of libvirt's hook, by operation and what became of them: unchanged, rewritten, unprepared, denied, original-sent, observed, passed.",
		}, []string{"operation", "result"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "virt_netboot_hook_last_call_timestamp_seconds",
			Help: "When the hook last reported a call; 0 if it never did.",
		}),
		originalSent: originalSent,
		log:          log,
	}
	registry.MustRegister(h.calls, h.last)
	// Every counter exists from 0 on: an alert sees no increase of one that appears
	// at 1.
	for _, operation := range hookreport.Operations() {
		for _, result := range hookreport.Results() {
			h.calls.WithLabelValues(operation, string(result))
		}
		h.calls.WithLabelValues(operation, resultOriginalSent)
	}
	return h
}

// countHookCalls counts what the hook reports until the context ends.
func (a *Agent) countHookCalls(ctx context.Context) {
	a.hook.run(ctx, filepath.Join(a.dir, filepath.Base(hookreport.Socket)))
}

// run counts reports on a socket until the context ends. Instances start without it,
// too.
func (h *hookCalls) run(ctx context.Context, socket string) {
	conn, err := unixsocket.ListenPacket(socket)
	if err != nil {
		h.log.WithError(err).Error("cannot count the hook's calls")
		return
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	b := make([]byte, hookreport.MaxSize)
	for {
		n, err := conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			h.log.WithError(err).Error("cannot count the hook's calls any more")
			return
		}
		h.count(b[:n])
	}
}

func (h *hookCalls) count(report []byte) {
	r, err := hookreport.Parse(report)
	if err != nil {
		h.log.WithError(err).Debug("unreadable report of the hook")
		return
	}
	result := string(r.Result)
	if (r.Result == hookreport.Unprepared || r.Result == hookreport.Denied) && h.originalSent(r.Domain) {
		result = resultOriginalSent
	}
	h.calls.WithLabelValues(r.Operation, result).Inc()
	h.last.SetToCurrentTime()
}
