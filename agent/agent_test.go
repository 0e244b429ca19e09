package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// TestAgentNotifies: the service manager is told that the agent is ready once clients
// can connect, of each reload, and that the agent stops (sd_notify(3)).
func TestAgentNotifies(t *testing.T) {
	manager := newManager(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	const yaml = `{gateway: {listen: DIR/sock, upstream: DIR/upstream}, metrics: {listen: ""}, files: []}`
	write := func(yaml string) {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(yaml, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(yaml)
	c, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- New(path, c, quiet(), Options{Dir: dir}).Run(ctx)
	}()

	expect(t, manager, `^READY=1$`)
	client, err := net.Dial("unix", c.Gateway.Listen)
	if err != nil {
		t.Fatalf("ready, but: %v", err)
	}
	client.Close()
	write("mode: observe\n" + yaml)
	expect(t, manager, `^RELOADING=1\nMONOTONIC_USEC=[0-9]+$`)
	expect(t, manager, `^READY=1\nSTATUS=The changed configuration is refused: .*/config.yaml:2:1: `)
	write(yaml + " # fixed")
	expect(t, manager, `^RELOADING=1\n`)
	expect(t, manager, `^READY=1\nSTATUS=$`)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect(t, manager, `^RELOADING=1\n`)
	expect(t, manager, `^READY=1\nSTATUS=$`)
	stop()
	expect(t, manager, `^STOPPING=1$`)
	if err := <-done; err != nil {
		t.Errorf("the agent ends with %v", err)
	}
}

// TestWatchdog: the service manager is notified only while the check succeeds.
func TestWatchdog(t *testing.T) {
	socket := newManager(t)
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	const patience = 2 * time.Second // of systemd
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(patience.Microseconds(), 10))
	var fails atomic.Bool
	checks := make(chan struct{}, 1000)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- manager{quiet()}.watchdog(ctx, func(ctx context.Context) error {
			checks <- struct{}{}
			if fails.Load() {
				<-ctx.Done() // as a gateway that hangs
				return ctx.Err()
			}
			return nil
		})
	}()
	expect(t, socket, `^WATCHDOG=1$`)
	began := time.Now()
	expect(t, socket, `^WATCHDOG=1$`)
	if pause := time.Since(began); pause >= patience {
		t.Errorf("%v between two signs of life, where systemd waits for %v", pause, patience)
	}
	fails.Store(true)
	for len(checks) > 0 {
		<-checks
	}
	for range 3 {
		<-checks
	}
	silence(t, socket)
	fails.Store(false)
	expect(t, socket, `^WATCHDOG=1$`)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// newManager is a service manager's end of sd_notify(3).
func newManager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { manager.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return manager
}

func expect(t *testing.T, manager *net.UnixConn, pattern string) {
	t.Helper()
	got, err := hear(manager, 10*time.Second)
	if err != nil || !regexp.MustCompile(pattern).MatchString(got) {
		t.Fatalf("the service manager hears %q, %v; want %s", got, err, pattern)
	}
}

// silence fails if the service manager receives more than what was on its way.
func silence(t *testing.T, manager *net.UnixConn) {
	t.Helper()
	for range 2 {
		if _, err := hear(manager, time.Millisecond); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
	t.Fatal("the service manager is still notified while the gateway hangs")
}

func hear(manager *net.UnixConn, patience time.Duration) (string, error) {
	if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	b := make([]byte, 1000)
	n, err := manager.Read(b)
	return string(b[:n]), err
}

func TestUpstream(t *testing.T) {
	c := config.Default()
	if got := New("", c, quiet(), Options{}).gateway.Upstream(); got != libvirt.DefaultUpstream() {
		t.Errorf("without gateway.upstream: %s", got)
	}
	c.Gateway.Upstream = "/run/other"
	if got := New("", c, quiet(), Options{}).gateway.Upstream(); got != "/run/other" {
		t.Errorf("with gateway.upstream: %s", got)
	}
}

// TestAnswers: an agent without a gateway is alive while it answers on its control
// socket.
func TestAnswers(t *testing.T) {
	a := New("", config.Default(), quiet(), Options{Dir: t.TempDir(), Only: Components{status.ComponentFiles}})
	check := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		return a.answers(ctx)
	}
	if err := check(); err != nil {
		t.Errorf("without a socket: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		a.serveControl(ctx)
		close(done)
	}()
	for {
		if _, err := os.Lstat(a.control()); err == nil {
			break
		}
	}
	if err := check(); err != nil {
		t.Errorf("alive: %v", err)
	}
	a.files.mu.Lock() // as one that hangs
	if err := check(); err == nil {
		t.Error("no error, although it does not answer")
	}
	a.files.mu.Unlock()
	stop()
	<-done
}
