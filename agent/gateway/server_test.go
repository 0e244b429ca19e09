package gateway

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

func TestMaxClients(t *testing.T) {
	l := newLab(t, func(s *Server) { s.MaxClients = 2 })
	first, _ := l.connect(t)
	l.connect(t)
	third := dialUnix(t, l.path)
	l.libvirt.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if c, err := l.libvirt.AcceptUnix(); err == nil {
		c.Close()
		t.Fatal("a third client was served")
	}
	first.Close()
	l.libvirt.SetDeadline(time.Now().Add(10 * time.Second))
	libvirt, err := l.libvirt.AcceptUnix()
	if err != nil {
		t.Fatal("the third client was not served when there was room: ", err)
	}
	defer libvirt.Close()
	relay(t, third, libvirt, frameOf(getLibVersion, nil))
}

func TestDrain(t *testing.T) {
	l := newLab(t, func(s *Server) { s.DrainTimeout = time.Minute })
	busy, busyLibvirt := l.connect(t)
	idle, _ := l.connect(t)
	upload, uploadLibvirt := l.connect(t)
	write(t, busy, frameOf(getLibVersion, nil))
	readFrame(t, busyLibvirt)
	write(t, upload, frameOf(streamData, []byte("some")))
	readFrame(t, uploadLibvirt)

	stopped := make(chan error, 1)
	go func() { stopped <- l.stop() }()
	wantEOF(t, idle)
	time.Sleep(3 * busyWait) // until the others have seen it too
	if _, err := os.Stat(l.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	relay(t, busyLibvirt, busy, okReply(getLibVersion, []byte("answer")))
	wantEOF(t, busy)
	end := streamData
	end.Status = rpc.StatusOK
	write(t, upload, frameOf(streamData, []byte("more")), frameOf(end, nil))
	wantFrame(t, uploadLibvirt, frameOf(streamData, []byte("more")))
	wantFrame(t, uploadLibvirt, frameOf(end, nil))
	wantEOF(t, upload)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

func TestDrainTimeout(t *testing.T) {
	l := newLab(t, func(s *Server) { s.DrainTimeout = 50 * time.Millisecond })
	client, libvirt := l.connect(t)
	write(t, client, frameOf(getLibVersion, nil))
	readFrame(t, libvirt)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	wantEOF(t, client)
}

func TestNoLibvirt(t *testing.T) {
	l := newLab(t)
	l.libvirt.Close() // removes the socket
	wantEOF(t, dialUnix(t, l.path))
	e := l.logged(t, "no such file or directory")
	if e.Data["REASON"] != rejectUpstream || e.Data["UID"] != uint32(os.Getuid()) {
		t.Errorf("logged with %v", e.Data)
	}
	if n := l.Metrics.Stats().Rejected; n != 1 {
		t.Errorf("%d rejections counted", n)
	}
}
