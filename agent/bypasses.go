package agent

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
)

// registerBypasses registers how often clients have bypassed the agent since the boot:
// virt-netboot-bypass.service writes a line each time. Meanwhile no agent runs that could
// tell.
func registerBypasses(registry *prometheus.Registry, dir string) {
	registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{
			Name: "virt_netboot_bypasses_total",
			Help: "How often clients have bypassed the agent since the boot, since it did not run.",
		},
		func() float64 { return bypasses(filepath.Join(dir, "bypasses")) },
	))
}

func bypasses(path string) float64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0 // there was none
	}
	return float64(bytes.Count(b, []byte("\n")))
}
