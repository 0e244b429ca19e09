package status

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/unixsocket"
)

func serve(t *testing.T, path string, s Status) (stop func()) {
	t.Helper()
	l, err := unixsocket.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, func() Status { return s }) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestNode: what the agent says arrives whole, whether one agent says it or two.
func TestNode(t *testing.T) {
	dir := t.TempDir()
	if _, err := Node(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without an agent: %v", err)
	}
	whole := node()
	stop := serve(t, filepath.Join(dir, Socket), whole)
	expectNode(t, dir, whole)
	stop()
	if _, err := Node(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("with a socket that is gone: %v", err)
	}

	first, second := node(), node()
	first.Components, first.Files = []string{ComponentGateway, ComponentReconcile}, nil
	second.Components = []string{ComponentFiles}
	defer serve(t, filepath.Join(dir, Socket), first)()
	expectNode(t, dir, first)
	defer serve(t, filepath.Join(dir, FilesSocket), second)()
	expectNode(t, dir, whole)
}

func expectNode(t *testing.T, dir string, want Status) {
	t.Helper()
	got, err := Node(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sent +received:\n%s", diff)
	}
}

func TestGetErrors(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Get(t.Context(), stale); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a socket that an agent left behind: %v", err)
	}

	other := filepath.Join(dir, "other")
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: other, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	defer server.Close()
	go server.Serve(l)
	if _, err := Get(t.Context(), other); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("another program's socket: %v", err)
	}

	if os.Geteuid() == 0 {
		return // root may connect to any socket
	}
	if err := os.Chmod(other, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Get(t.Context(), other); err == nil || !strings.Contains(err.Error(), "only root") {
		t.Errorf("a socket that others may use: %v", err)
	}
}
