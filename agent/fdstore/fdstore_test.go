package fdstore

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if text, isService := os.LookupEnv("FDSTORE_TEST"); isService {
		if err := service(text); err != nil {
			fmt.Println(err)
		}
		return
	}
	os.Exit(m.Run())
}

// service is a process of the service. It says what it got, and leaves text to the next.
func service(text string) error {
	sockets, store := Open("clients")
	f, err := store.Take()
	if err != nil {
		return err
	}
	var got []byte
	if f != nil {
		if got, err = io.ReadAll(f); err != nil {
			return err
		}
	}
	fmt.Printf("%d sockets, %q\n", len(sockets), got)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	if _, err := w.WriteString(text); err != nil {
		return err
	}
	w.Close()
	return store.Put(r)
}

// manager is a service manager, as far as its store goes.
type manager struct {
	socket *net.UnixConn
	mu     sync.Mutex
	kept   map[string][]*os.File
	told   []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &manager{socket: socket, kept: map[string][]*os.File{}}
}

// serve sees to what it is told, until the socket is closed.
func (m *manager) serve() {
	b, oob := make([]byte, 4096), make([]byte, 4096)
	for {
		n, oobn, _, _, err := m.socket.ReadMsgUnix(b, oob)
		if err != nil {
			return
		}
		m.see(string(b[:n]), oob[:oobn])
	}
}

// see does what one message says.
func (m *manager) see(message string, oob []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, message)
	var files []*os.File
	if parsed, err := unix.ParseSocketControlMessage(oob); err == nil {
		for _, p := range parsed {
			fds, _ := unix.ParseUnixRights(&p)
			for _, fd := range fds {
				files = append(files, os.NewFile(uintptr(fd), "kept"))
			}
		}
	}
	_, name, _ := strings.Cut(message, "FDNAME=")
	switch {
	case strings.HasPrefix(message, "FDSTORE=1\n"):
		m.kept[name] = append(m.kept[name], files...)
		files = nil
	case strings.HasPrefix(message, "FDSTOREREMOVE=1\n"):
		files = m.kept[name]
		delete(m.kept, name)
	}
	for _, f := range files {
		f.Close()
	}
}

// run runs a process of the service, with a socket and what is kept.
func (m *manager) run(t *testing.T, text string) string {
	t.Helper()
	socket, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	names, files := []string{"service.socket"}, []*os.File{socket}
	m.mu.Lock()
	for name, kept := range m.kept {
		for _, f := range kept {
			fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			own := os.NewFile(uintptr(fd), name)
			defer own.Close()
			names, files = append(names, name), append(files, own)
		}
	}
	m.mu.Unlock()
	// systemd knows the process id that LISTEN_PID has to have, the shell does too.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), "FDSTORE_TEST="+text, "NOTIFY_SOCKET="+m.socket.LocalAddr().String(),
		"LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestStore(t *testing.T) {
	m := newManager(t)
	go m.serve()
	for _, tt := range []struct{ text, want string }{
		{"first", "1 sockets, \"\"\n"},
		{"second", "1 sockets, \"first\"\n"},
		{"third", "1 sockets, \"second\"\n"},
	} {
		if got := m.run(t, tt.text); got != tt.want {
			t.Errorf("the service says %q, want %q", got, tt.want)
		}
		m.mu.Lock()
		n := len(m.kept["clients"])
		m.mu.Unlock()
		if n != 1 {
			t.Errorf("%d descriptors are kept, want the one of the last process", n)
		}
	}
	m.mu.Lock()
	told := strings.Join(m.told[:2], ", ")
	m.mu.Unlock()
	if told != "FDSTORE=1\nFDPOLL=0\nFDNAME=clients, BARRIER=1" {
		t.Errorf("the manager was told %q", told)
	}
	m.mu.Lock()
	m.kept["clients"] = append(m.kept["clients"], m.kept["clients"][0])
	m.mu.Unlock()
	if got := m.run(t, ""); !strings.Contains(got, "has 2 descriptors named clients") {
		t.Errorf("with two of them the service says %q", got)
	}
}

func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	_, s := Open("clients")
	if f, err := s.Take(); f != nil || err != nil {
		t.Errorf("took %v, %v", f, err)
	}
	if err := s.Put(os.Stdin); err == nil || !strings.Contains(err.Error(), "NOTIFY_SOCKET") {
		t.Errorf("putting: %v", err)
	}
}
