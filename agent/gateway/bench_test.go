package gateway

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func noPolicy() domainxml.Rewriter { return domainxml.Rewriter{} }

// BenchmarkCall is a small call and its answer; libvirt's side is a thread that
// echoes.
func BenchmarkCall(b *testing.B) {
	frame := frameOf(getLibVersion, nil)
	for name, connect := range map[string]func(testing.TB) (client, libvirt *socket){"direct": socketPair, "gateway": throughGateway} {
		b.Run(name, func(b *testing.B) {
			client, libvirt := connect(b)
			defer client.close()
			go echo(libvirt)
			got := make([]byte, len(frame))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := unix.Write(client.fd, frame); err != nil {
					b.Fatal(err)
				}
				if n, err := unix.Read(client.fd, got); err != nil || n != len(got) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkStream is a volume's upload in messages as long as libvirt makes them.
func BenchmarkStream(b *testing.B) {
	const payload = 262120 // VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX
	frame := frameOf(streamData, make([]byte, payload))
	for name, connect := range map[string]func(testing.TB) (client, libvirt *socket){"direct": socketPair, "gateway": throughGateway} {
		b.Run(name, func(b *testing.B) {
			client, libvirt := connect(b)
			b.SetBytes(payload)
			read := make(chan int64)
			go func() { read <- drain(libvirt) }()
			var sent int64
			for b.Loop() {
				for rest := frame; len(rest) > 0; {
					n, err := unix.Write(client.fd, rest)
					if err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
				sent += int64(len(frame))
			}
			client.close()
			if n := <-read; n != sent {
				b.Fatalf("%d of %d bytes arrived", n, sent)
			}
		})
	}
}

func throughGateway(t testing.TB) (client, libvirt *socket) {
	l := newLab(t, func(s *Server) { s.Rewriter = noPolicy })
	c, u := l.connect(t)
	return blocking(t, c), blocking(t, u)
}

// blocking is the connection as a descriptor on which read(2) waits.
func blocking(t testing.TB, c *net.UnixConn) *socket {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer c.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return &socket{fd: fd}
}

func echo(s *socket) {
	b := make([]byte, 4096)
	for {
		n, err := unix.Read(s.fd, b)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			s.close()
			return
		}
		if _, err := unix.Write(s.fd, b[:n]); err != nil && err != io.EOF {
			return
		}
	}
}

func drain(s *socket) int64 {
	defer s.close()
	b := make([]byte, 1<<20)
	var sum int64
	for {
		n, err := unix.Read(s.fd, b)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return sum
		}
		sum += int64(n)
	}
}
