package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"
)

// fillFDs lets this process open no further descriptor until the returned function
// is called.
func fillFDs() (func() error, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	next, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.Close(next)
	full := unix.Rlimit{Cur: uint64(next), Max: limit.Max}
	return func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }, unix.Setrlimit(unix.RLIMIT_NOFILE, &full)
}

// lostFDsHelper receives a descriptor that there is no room for.
func lostFDsHelper() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	s, err := newSocket(pair[0])
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[1], []byte{0}, unix.UnixRights(pair[1]), nil, 0); err != nil {
		return err
	}
	if _, err := fillFDs(); err != nil {
		return err
	}
	_, _, err = s.recv(make([]byte, 10))
	fmt.Print(err)
	return nil
}

func TestLostDescriptors(t *testing.T) {
	out, err := runSelf("lost-fds")
	if want := "descriptors were lost: too many are open; raise LimitNOFILE= of the service"; err != nil || out != want {
		t.Errorf("%v, %q, want %q", err, out, want)
	}
}

// noRoomHelper has a client come for whom there is no descriptor, until there is.
func noRoomHelper(dir string) error {
	upstream := filepath.Join(dir, "libvirt-sock")
	libvirt, err := net.Listen("unix", upstream)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "gateway-sock")
	listeners, err := Listen(path)
	if err != nil {
		return err
	}
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	log, logged := logtest.NewNullLogger()
	ready := make(chan struct{})
	s := &Server{
		Listeners: listeners, Upstream: func() string { return upstream }, Rewriter: noPolicy, Log: log,
		Ready: func() { close(ready) },
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	<-ready
	room, err := fillFDs()
	if err != nil {
		return err
	}
	if err := unix.Connect(client, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	for len(logged.AllEntries()) == 0 {
		select {
		case err := <-served:
			return errors.Join(errors.New("the server has ended"), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := room(); err != nil {
		return err
	}
	if _, err := libvirt.Accept(); err != nil {
		return err
	}
	e := logged.AllEntries()[0]
	fmt.Print(e.Level == logrus.ErrorLevel, " ", e.Message)
	return nil
}

func TestNoRoomForAClient(t *testing.T) {
	out, err := runSelf("no-room", t.TempDir())
	for _, want := range []string{"true clients have to wait: accepting one on ", "too many open files; raise LimitNOFILE= of the service"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, %q, want %q", err, out, want)
		}
	}
}
