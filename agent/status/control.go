package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"syscall"

	"github.com/virt-netboot/virt-netboot/internal/httpserver"
)

// Dir is where the control sockets are on a node: Socket, and FilesSocket of an agent
// that only keeps Nova's files patched.
const (
	Dir         = "/run/virt-netboot"
	Socket      = "control.sock"
	FilesSocket = "control-files.sock"
)

// Serve answers GET /status until the context ends. It closes the listener.
func Serve(ctx context.Context, l net.Listener, status func() Status) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(status()) // fails only when the client has gone
	})
	return httpserver.Serve(ctx, l, mux)
}

// Node asks the agent of a node, whose sockets are in dir. Where another agent keeps
// Nova's files patched, it asks that one for them.
func Node(ctx context.Context, dir string) (Status, error) {
	s, err := Get(ctx, filepath.Join(dir, Socket))
	if err != nil || s.Has(ComponentFiles) {
		return s, err
	}
	files, err := Get(ctx, filepath.Join(dir, FilesSocket))
	switch {
	case errors.Is(err, ErrNotRunning):
		return s, nil
	case err != nil:
		return s, err
	}
	s.Files, s.Components = files.Files, append(s.Components, files.Components...)
	return s, nil
}

// ErrNotRunning is what Get returns where no agent answers.
var ErrNotRunning = errors.New("the agent does not run")

// Get asks the agent that answers at socket.
func Get(ctx context.Context, socket string) (Status, error) {
	var d net.Dialer
	client := http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/status", nil)
	if err != nil {
		return Status{}, err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return Status{}, fmt.Errorf("%w: nothing listens on %s", ErrNotRunning, socket)
	case errors.Is(err, fs.ErrPermission):
		return Status{}, fmt.Errorf("only root may ask the agent: %w", &fs.PathError{Op: "connect", Path: socket, Err: fs.ErrPermission})
	case err != nil:
		return Status{}, fmt.Errorf("asking the agent: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Status{}, fmt.Errorf("asking the agent: it answers %s", resp.Status)
	}
	var s Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("reading the agent's answer: %w", err)
	}
	return s, nil
}
