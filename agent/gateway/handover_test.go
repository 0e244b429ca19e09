package gateway

import (
	"context"
	"encoding/gob"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// service is a gateway that is restarted.
type service struct {
	*lab
	socket *os.File // that systemd listens on
	kept   *os.File // in the store
	forget bool     // the store keeps nothing

	perCall bool // polkit decides
	cancel  func(cause error) error
}

func (s *service) Put(f *os.File) error {
	if s.forget {
		return nil
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	s.kept = os.NewFile(uintptr(fd), "kept")
	return err
}

func (s *service) Take() (*os.File, error) {
	f := s.kept
	s.kept = nil
	return f, nil
}

func newService(t *testing.T) *service {
	t.Helper()
	dir := t.TempDir()
	upstream, path := filepath.Join(dir, "libvirt-sock"), filepath.Join(dir, "gateway-sock")
	listen := func(path string, backlog int) *os.File {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		}
		if err == nil {
			err = unix.Listen(fd, backlog)
		}
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), path)
		t.Cleanup(func() { f.Close() })
		return f
	}
	libvirt, err := net.FileListener(listen(upstream, 0)) // one client at a time may wait
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { libvirt.Close() })
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	s := &service{lab: &lab{path: path, log: hook, libvirt: libvirt.(*net.UnixListener)}, socket: listen(path, 100)}
	s.Server = &Server{Upstream: func() string { return upstream }, Log: log}
	s.start(t)
	t.Cleanup(func() { s.end(t, context.Canceled) })
	return s
}

// start starts the next process, so to say.
func (s *service) start(t *testing.T) {
	t.Helper()
	fd, err := unix.FcntlInt(s.socket.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := Listen("", os.NewFile(uintptr(fd), s.path))
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s.Server = &Server{
		Listeners: listeners, Upstream: s.Upstream, Log: s.Log, Store: s, Ready: func() { close(ready) },
		PolkitPerCall: func() (bool, error) { return s.perCall, nil },
		Rewriter:      func() domainxml.Rewriter { return domainxml.Rewriter{Policy: domainxml.DefaultPolicy()} },
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	<-ready
	s.cancel = func(cause error) error {
		cancel(cause)
		return <-served
	}
}

func (s *service) end(t *testing.T, cause error) {
	t.Helper()
	if err := s.cancel(cause); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func (s *service) restart(t *testing.T) {
	t.Helper()
	s.end(t, ErrRestart)
	s.start(t)
}

func TestRestart(t *testing.T) {
	s := newService(t)
	client, libvirt := s.connect(t)
	call := frameOf(define, defineArgs(domainDoc))
	for _, cut := range []int{1, 10, 30, len(call) - 1, len(call)} {
		write(t, client, call[:cut])
		s.restart(t)
		write(t, client, call[cut:])
		wantFrame(t, libvirt, frameOf(define, defineArgs(rewrittenDoc(t, domainDoc))))
		s.restart(t)
		write(t, libvirt, errorReply(define, "no"))
		wantFrame(t, libvirt, call)
		s.restart(t)
		if !s.OriginalSent("instance-00000001") {
			t.Error("the hook is not told of a domain that went as its client wrote it")
		}
		relay(t, libvirt, client, okReply(define, domainArg()))
	}
	client.Close()
	wantEOF(t, libvirt)
}

// TestRestartBeforeLibvirtAccepts: a client that waits goes on waiting.
func TestRestartBeforeLibvirtAccepts(t *testing.T) {
	s := newService(t)
	first := dialUnix(t, s.path)
	eventually(t, "the backlog is full", func() bool {
		c, err := net.DialTimeout("unix", s.Upstream(), 0)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	waiting := dialUnix(t, s.path)
	write(t, waiting, frameOf(getLibVersion, nil))
	eventually(t, "it is accepted", func() bool { return s.Metrics.Stats().Clients == 2 })
	s.restart(t)
	defer first.Close()
	for {
		s.libvirt.SetDeadline(time.Now().Add(10 * time.Second))
		libvirt, err := s.libvirt.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		defer libvirt.Close()
		libvirt.SetDeadline(time.Now().Add(500 * time.Millisecond))
		if m, err := nextFrame(libvirt); err == nil && m.Proc == getLibVersion.Proc {
			relay(t, libvirt, waiting, okReply(getLibVersion, nil))
			return
		}
	}
}

// TestRestartBeforeOpen: libvirt asks the kernel who the process of a client is until it
// has let the client in. So that process has to be there, and then the next.
func TestRestartBeforeOpen(t *testing.T) {
	s := newService(t)
	silent, first := s.connectUnopened(t)
	client, libvirt := s.connectUnopened(t)
	stuck, stuckLibvirt := s.connectUnopened(t)
	auth := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: 66, Type: rpc.TypeCall} // AUTH_LIST
	relay(t, client, libvirt, frameOf(auth, nil))
	relay(t, stuck, stuckLibvirt, frameOf(auth, nil))
	ended := make(chan struct{})
	go func() {
		s.end(t, ErrRestart)
		close(ended)
	}()
	wantEOF(t, first)
	relay(t, libvirt, client, okReply(auth, nil))
	select {
	case <-ended:
		t.Error("the process ends while libvirt has not let a client in")
	case <-time.After(100 * time.Millisecond):
	}
	open := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcConnectOpen, Type: rpc.TypeCall}
	relay(t, client, libvirt, frameOf(open, nil))
	relay(t, libvirt, client, okReply(open, nil))
	wantEOF(t, stuck) // and nobody waits for it any longer
	<-ended
	s.start(t)
	wantPasses(t, client, libvirt)
	again, err := s.libvirt.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	wantPasses(t, silent, again)
}

// TestRestartWithDescriptors: a connection with a descriptor of the client's moves when
// libvirt has answered.
func TestRestartWithDescriptors(t *testing.T) {
	s := newService(t)
	client, libvirt := s.connect(t)
	write(t, client, frameOf(createWithFiles, withFDs(1, defineArgs(domainDoc))))
	sendFD(t, client, tempFile(t))
	readFrame(t, libvirt)
	recvFD(t, libvirt)
	restarted := make(chan struct{})
	go func() {
		s.restart(t)
		close(restarted)
	}()
	select {
	case <-restarted:
		t.Fatal("the descriptor is lost")
	case <-time.After(200 * time.Millisecond):
	}
	relay(t, libvirt, client, okReply(createWithFiles, domainArg()))
	<-restarted
	wantPasses(t, client, libvirt)
}

// TestRestartWithoutStore: where nothing is kept, calls under way are finished.
func TestRestartWithoutStore(t *testing.T) {
	s := newService(t)
	s.forget = true
	idle, _ := s.connect(t)
	busy, libvirt := s.connect(t)
	write(t, busy, frameOf(getLibVersion, nil))
	readFrame(t, libvirt)
	restarted := make(chan struct{})
	go func() {
		s.restart(t)
		close(restarted)
	}()
	wantEOF(t, idle)
	relay(t, libvirt, busy, okReply(getLibVersion, nil))
	wantEOF(t, busy)
	<-restarted
	s.logged(t, "2 connections of clients end with the restart: the service manager keeps no descriptors")
}

// TestRestartWithPolkitPerCall: polkit would ask about a process that is gone.
func TestRestartWithPolkitPerCall(t *testing.T) {
	s := newService(t)
	s.end(t, context.Canceled)
	s.perCall = true
	s.start(t)
	client, _ := s.connect(t)
	s.restart(t)
	wantEOF(t, client)
	s.logged(t, "since polkit decides about each call")
}

// TestRestartIntoAnotherVersion: connections end whose state means something else.
func TestRestartIntoAnotherVersion(t *testing.T) {
	s := newService(t)
	client, libvirt := s.connect(t)
	s.end(t, ErrRestart)
	fds, err := queued(s.kept)
	if err != nil || len(fds) != 3 {
		t.Fatalf("%d descriptors are kept: %v", len(fds), err)
	}
	if seals, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
		t.Errorf("the state has the seals %x, %v", seals, err)
	}
	path := filepath.Join(t.TempDir(), "state")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := gob.NewEncoder(f).Encode(stateVersion + 1); err != nil {
		t.Fatal(err)
	}
	in, out, err := queueOf(append([]int{int(f.Fd())}, fds[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(in)
	closeFDs(fds)
	s.kept = out
	s.start(t)
	wantEOF(t, client)
	wantEOF(t, libvirt)
	e := s.logged(t, "the connections of clients from before the restart end")
	if want := "of version 2, and this program reads version 1"; !strings.Contains(e.Message, want) {
		t.Errorf("logged %q, want %s", e.Message, want)
	}
	client, libvirt = s.connect(t)
	wantPasses(t, client, libvirt)
}
