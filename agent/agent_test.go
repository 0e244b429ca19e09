package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/gateway"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// TestAgentNotifies: the service manager hears that the agent is ready only when
// clients can connect, and that it stops when it does (sd_notify(3)).
func TestAgentNotifies(t *testing.T) {
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	c := config.Default()
	c.Gateway = config.Gateway{Listen: filepath.Join(dir, "sock"), Upstream: filepath.Join(dir, "upstream")}
	c.Metrics.Listen = ""

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- newParts(filepath.Join(dir, "config.yaml"), c, quiet()).run(ctx) }()

	expect(t, manager, "READY=1")
	client, err := net.Dial("unix", c.Gateway.Listen)
	if err != nil {
		t.Fatalf("ready, but: %v", err)
	}
	client.Close()
	stop()
	expect(t, manager, "STOPPING=1")
	if err := <-done; err != nil {
		t.Errorf("the agent ends with %v", err)
	}
}

func expect(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	if err := manager.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := manager.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("the service manager hears %q, %v; want %s", b[:n], err, want)
	}
}

func TestUpstream(t *testing.T) {
	c := config.Default()
	if got := newParts("", c, quiet()).gateway.Upstream(); got != gateway.DefaultUpstream() {
		t.Errorf("without gateway.upstream: %s", got)
	}
	c.Gateway.Upstream = "/run/other"
	if got := newParts("", c, quiet()).gateway.Upstream(); got != "/run/other" {
		t.Errorf("with gateway.upstream: %s", got)
	}
}
