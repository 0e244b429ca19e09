package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// lab is a running gateway with a socket behind it on which the test is libvirt.
type lab struct {
	*Server
	path    string
	log     *logtest.Hook
	libvirt *net.UnixListener
	stop    func() error // ends Serve and returns what it returned
}

// newLab starts a gateway; with may change it before.
func newLab(t testing.TB, with ...func(*Server)) *lab {
	t.Helper()
	dir := t.TempDir()
	upstream := filepath.Join(dir, "libvirt-sock")
	libvirt, err := net.ListenUnix("unix", &net.UnixAddr{Name: upstream, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { libvirt.Close() })
	os.Chmod(dir, 0o755)
	path := filepath.Join(dir, "gateway-sock")
	listeners, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	l := &lab{path: path, log: hook, libvirt: libvirt}
	l.Server = &Server{
		Listeners: listeners,
		Upstream:  func() string { return upstream },
		Rewriter:  func() domainxml.Rewriter { return domainxml.Rewriter{Policy: domainxml.DefaultPolicy()} },
		Log:       log,
	}
	for _, f := range with {
		f(l.Server)
	}
	ready, told := make(chan struct{}), l.Ready
	l.Ready = func() {
		if told != nil {
			told()
		}
		close(ready)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx) }()
	select {
	case <-ready:
	case err := <-served:
		served <- err // for stop
	}
	l.stop = sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() {
		if err := l.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l
}

// connect returns both ends of a connection through the gateway whose client libvirt
// has let in.
func (l *lab) connect(t testing.TB) (client, libvirt *net.UnixConn) {
	t.Helper()
	client, libvirt = l.connectUnopened(t)
	open := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcConnectOpen, Type: rpc.TypeCall}
	opened := open
	opened.Type = rpc.TypeReply
	exchange(t, client, libvirt, frameOf(open, nil))
	exchange(t, libvirt, client, frameOf(opened, nil))
	return client, libvirt
}

// exchange sends bytes from one end to the other.
func exchange(t testing.TB, from, to *net.UnixConn, b []byte) {
	t.Helper()
	if _, err := from.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, len(b))); err != nil {
		t.Fatal(err)
	}
}

// connectUnopened returns both ends of a connection through the gateway.
func (l *lab) connectUnopened(t testing.TB) (client, libvirt *net.UnixConn) {
	t.Helper()
	client = dialUnix(t, l.path)
	l.libvirt.SetDeadline(time.Now().Add(10 * time.Second))
	libvirt, err := l.libvirt.AcceptUnix()
	if err != nil {
		t.Fatal("the gateway did not connect to libvirt: ", err)
	}
	t.Cleanup(func() { libvirt.Close() })
	for _, c := range []*net.UnixConn{client, libvirt} {
		c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return client, libvirt
}

func dialUnix(t testing.TB, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// logged returns the first log entry whose message contains text.
func (l *lab) logged(t testing.TB, text string) *logrus.Entry {
	t.Helper()
	var found *logrus.Entry
	eventually(t, "a log line with "+text, func() bool {
		for _, e := range l.log.AllEntries() {
			if strings.Contains(e.Message, text) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: ", what)
		}
	}
}

func wantEOF(t testing.TB, c io.Reader) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %d bytes and %v, want the end of the stream", n, err)
	}
}

// sendFD sends a descriptor as virSocketSendFD does.
func sendFD(t testing.TB, c *net.UnixConn, f *os.File) {
	t.Helper()
	if _, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(int(f.Fd())), nil); err != nil {
		t.Fatal(err)
	}
}

// recvFD receives a descriptor as virSocketRecvFD does.
func recvFD(t testing.TB, c *net.UnixConn) *os.File {
	t.Helper()
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil || n != 1 {
		t.Fatalf("receiving a descriptor: %d bytes, %v", n, err)
	}
	fds, err := rights(oob[:oobn])
	if err != nil || len(fds) != 1 {
		t.Fatalf("receiving a descriptor: got %d, %v", len(fds), err)
	}
	f := os.NewFile(uintptr(fds[0]), "received")
	t.Cleanup(func() { f.Close() })
	return f
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func wantSameFile(t testing.TB, a, b *os.File) {
	t.Helper()
	ai, err := a.Stat()
	if err != nil {
		t.Fatal(err)
	}
	bi, err := b.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(ai, bi) {
		t.Fatal("the descriptor is another file's")
	}
}
