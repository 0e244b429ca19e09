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
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

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
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Bool
		var checks atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- manager{quiet()}.watchdog(ctx, func(ctx context.Context) error {
				checks.Add(1)
				if fails.Load() {
					<-ctx.Done() // as a gateway that hangs
					return ctx.Err()
				}
				return nil
			})
		}()
		for range 5 {
			time.Sleep(patience - time.Millisecond)
			if heard(t, socket, "WATCHDOG=1") == 0 {
				t.Errorf("no sign of life while systemd waits, for %v", patience)
			}
		}
		fails.Store(true)
		before := checks.Load()
		time.Sleep(10 * patience)
		if n := heard(t, socket, "WATCHDOG=1"); n > 0 {
			t.Errorf("the service manager hears %d times of a gateway that hangs", n)
		}
		if n := checks.Load() - before; n < 10 {
			t.Errorf("a gateway that hangs is looked at %d times within %v", n, 10*patience)
		}
		fails.Store(false)
		time.Sleep(patience)
		if heard(t, socket, "WATCHDOG=1") == 0 {
			t.Error("no sign of life after it has recovered")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// heard is how often the service manager has heard the state since it was last asked.
// It must hear no other.
func heard(t *testing.T, manager *net.UnixConn, state string) int {
	t.Helper()
	raw, err := manager.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for times := 0; ; times++ {
		b, n := make([]byte, 1000), 0
		var received error
		if err := raw.Read(func(fd uintptr) bool { n, received = unix.Read(int(fd), b); return true }); err != nil {
			t.Fatal(err)
		}
		switch {
		case errors.Is(received, unix.EAGAIN):
			return times
		case received != nil || string(b[:n]) != state:
			t.Fatalf("the service manager hears %q, %v; want %s", b[:max(n, 0)], received, state)
		}
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
	if err := manager.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1000)
	n, err := manager.Read(b)
	if got := string(b[:n]); err != nil || !regexp.MustCompile(pattern).MatchString(got) {
		t.Fatalf("the service manager hears %q, %v; want %s", got, err, pattern)
	}
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
	check := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return a.answers(ctx)
	}
	const long, short = 30 * time.Second, 200 * time.Millisecond
	if err := check(long); err != nil {
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
	if err := check(long); err != nil {
		t.Errorf("alive: %v", err)
	}
	a.files.mu.Lock() // as one that hangs
	if err := check(short); err == nil {
		t.Error("no error, although it does not answer")
	}
	a.files.mu.Unlock()
	stop()
	<-done
}
