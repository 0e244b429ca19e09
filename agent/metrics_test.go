package agent

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/httpserver"
)

// TestIdleConnections: however many connections there are to the metrics' port, few of
// the process's descriptors serve them, and the metrics are there again once those that
// ask for nothing are closed.
func TestIdleConnections(t *testing.T) {
	c := config.Default()
	c.Metrics.Listen = "127.0.0.1:0"
	log := quiet()
	logged := logrustest.NewLocal(log)
	go New("", c, log, Options{}).serveMetrics(t.Context())
	var url string
	for deadline := time.Now().Add(30 * time.Second); url == ""; time.Sleep(time.Millisecond) {
		if e := logged.LastEntry(); e != nil {
			url = strings.TrimPrefix(e.Message, "metrics at ")
		}
		if time.Now().After(deadline) {
			t.Fatal("the log has no address of the metrics")
		}
	}
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")
	before := descriptors(t)
	const idle = 2 * httpserver.MaxConnections
	for range idle {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	time.Sleep(500 * time.Millisecond) // for those to be accepted that will be
	if served := descriptors(t) - before - idle; served < 1 || served > httpserver.MaxConnections {
		t.Errorf("%d descriptors serve %d connections, want 1 to %d", served, idle, httpserver.MaxConnections)
	}
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatalf("the metrics are not there again: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "virt_netboot_build_info") {
		t.Errorf("the metrics are %q, %v", text, err)
	}
	if served := descriptors(t) - before - idle; served > httpserver.MaxConnections {
		t.Errorf("%d descriptors serve what is left, want %d at most", served, httpserver.MaxConnections)
	}
}

// descriptors is how many this process has.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
