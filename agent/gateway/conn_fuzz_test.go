package gateway

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// FuzzConn sends bytes through a connection in portions. Without a policy all of
// them arrive, up to where they stop being libvirt's protocol.
func FuzzConn(f *testing.F) {
	for _, seed := range seedStreams(f) {
		f.Add(seed, uint16(3))
		f.Add(seed, uint16(1000))
	}
	srv := quietServer(f)
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		if len(b) > 100<<10 || needsDomain(rpc.XMLCall{Message: rpc.Message{Header: rpc.Header{Proc: rpc.ProcDomainUpdateDeviceFlags}}, XML: b}) {
			return // more than a socket holds, or a device that the gateway asks libvirt about
		}
		client, clientEnd := socketPair(t)
		libvirt, libvirtEnd := socketPair(t)
		done := make(chan error, 1)
		go func() { done <- runConn(t, srv, clientEnd, libvirtEnd) }()
		var writer sync.WaitGroup
		writer.Go(func() {
			defer client.endWriting()
			for at := 0; at < len(b); {
				n, err := client.send(b[at:min(len(b), at+int(size)+1)], nil)
				if err != nil {
					return // the connection ended for what came before
				}
				at += n
			}
		})
		got := readAll(t, libvirt)
		writer.Wait()
		libvirt.close()
		client.close()
		err := <-done
		want, wantErr := passed(b)
		if !bytes.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if wantErr != (err != nil) {
			t.Fatalf("ended with %v", err)
		}
	})
}

// passed is how much of b reaches libvirt: not the start of a call that waited to
// be whole, nor what follows an error.
func passed(b []byte) ([]byte, bool) {
	var f rpc.Framer
	frame, pos := 0, 0
	for pos < len(b) {
		p, err := f.Next(b[pos:])
		if err != nil {
			return b[:pos], true
		}
		if p.Kind == rpc.PieceShort {
			break
		}
		if p.First {
			frame = pos
		}
		if f.Head.Prog == rpc.ProgramRemote && f.Head.Proc == rpc.ProcAuthSASLInit && f.Head.Type.IsCall() {
			f.SASL = true
		}
		pos += p.N
	}
	h := f.Head
	if !f.Between() && h.Prog == rpc.ProgramRemote && h.Type.IsCall() && h.Length <= rpc.MaxCall &&
		(h.Proc.CarriesDomain() || h.Proc.CarriesDevice() || h.Proc.DetachesDevice()) {
		return b[:frame], false
	}
	return b, false
}

// quietServer is what a connection needs of a server.
func quietServer(t testing.TB) *Server {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := &Server{Log: log, Rewriter: noPolicy}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	var run sync.WaitGroup
	run.Go(func() { s.idle.run() })
	t.Cleanup(func() {
		s.idle.stop()
		run.Wait()
		s.idle.close()
	})
	return s
}

func socketPair(t testing.TB) (a, b *socket) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = newSocket(fds[0]); err != nil {
		t.Fatal(err)
	}
	if b, err = newSocket(fds[1]); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func readAll(t testing.TB, s *socket) []byte {
	t.Helper()
	var all []byte
	b := make([]byte, 64<<10)
	for {
		n, err := unix.Read(s.fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return all
		}
		all = append(all, b[:n]...)
	}
}

// seedStreams are what a client may send.
func seedStreams(f *testing.F) [][]byte {
	f.Helper()
	join := func(bs ...[]byte) []byte { return bytes.Join(bs, nil) }
	streams := [][]byte{
		frameOf(getLibVersion, nil),
		join(frameOf(streamData, make([]byte, 300)), frameOf(ping, nil)),
		join(frameOf(openFD, withFDs(2, nil)), []byte{0, 0}, frameOf(getLibVersion, nil)),
		join(frameOf(define, defineArgs(domainDoc)), frameOf(getLibVersion, nil)),
		frameOf(attach, attachArgs(`<interface type='bridge'/>`)),
		frameOf(define, []byte{0xff, 0xff, 0xff, 0xff}),
	}
	for _, doc := range corpus.Sample(f, 32) {
		streams = append(streams, join(frameOf(define, defineArgs(string(doc))), frameOf(ping, nil)))
	}
	return streams
}

// runConn is a connection's life in a server.
func runConn(t testing.TB, s *Server, client, libvirt *socket) error {
	c := newConn(s, s.clientLog(peer{}), 0, client, libvirt)
	c.open = true // libvirt has let the client in: what it sends is read
	defer c.close()
	return c.run(t.Context())
}
