package libvirt

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

func TestDialNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libvirt-sock")
	_, err := Dial(t.Context(), path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v, want that there is no %s", err, path)
	}
}

// TestDialHung: with a daemon that accepts and never answers, Dial ends with its
// context.
func TestDialHung(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libvirt-sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, ErrNoAnswer)
	defer cancel()
	_, err = Dial(ctx, path)
	for _, want := range []error{ErrClosed, ErrNoAnswer} {
		if !errors.Is(err, want) {
			t.Errorf("the error is %v, want it to be %v", err, want)
		}
	}
}

// TestDialGone: a daemon that hangs up while we ask.
func TestDialGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libvirt-sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4))
		conn.Close()
	}()
	if _, err = Dial(t.Context(), path); !errors.Is(err, ErrClosed) || errors.Is(err, ErrNoAnswer) {
		t.Errorf("the error is %v, want %v", err, ErrClosed)
	}
}

// TestVanished: a domain that goes while it is read is not found, whichever call
// finds it so. libvirt answers then with an error that has no number.
func TestVanished(t *testing.T) {
	const getXMLDesc, isPersistent, lookupByUUID = 14, 151, 24
	for name, c := range map[string]struct {
		unknown    rpc.Procedure // answered with the error
		persistent uint32
		read       func(*Conn) (State, error)
	}{
		"while its definition is read": {getXMLDesc, 1, func(c *Conn) (State, error) { return c.Read(t.Context(), testUUID) }},
		"after it was listed": {getXMLDesc, 1, func(c *Conn) (State, error) {
			return c.ReadListed(t.Context(), Domain{Name: "a", UUID: testUUID, Persistent: true})
		}},
		"after it was listed, running": {getXMLDesc, 0, func(c *Conn) (State, error) {
			return c.ReadListed(t.Context(), Domain{Name: "a", UUID: testUUID, Active: true})
		}},
		"after it was looked up": {isPersistent, 1, func(c *Conn) (State, error) { return c.Read(t.Context(), testUUID) }},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialFake(t, func(call rpc.Header) ([]byte, rpc.Status) {
				switch {
				case call.Proc == c.unknown:
					return make([]byte, 64), rpc.StatusError // VIR_ERR_OK
				case call.Proc == lookupByUUID:
					domain := rpc.AppendString(nil, []byte("a"))
					return append(append(domain, make([]byte, 16)...), 0xff, 0xff, 0xff, 0xff), rpc.StatusOK
				case call.Proc == isPersistent:
					return binary.BigEndian.AppendUint32(nil, c.persistent), rpc.StatusOK
				}
				return make([]byte, 64), rpc.StatusOK
			})
			if s, err := c.read(conn); !IsNotFound(err) {
				t.Errorf("the error is %v and the state %+v, want that the domain is not found", err, s)
			}
		})
	}
}

const testUUID = "7e1b2a3c-0000-4000-8000-00000000abcd"

// dialFake connects to a libvirt that answers each call as the function says.
func dialFake(t *testing.T, answer func(rpc.Header) ([]byte, rpc.Status)) *Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libvirt-sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			b := make([]byte, rpc.HeaderSize)
			if _, err := io.ReadFull(conn, b); err != nil {
				return
			}
			h := rpc.ParseHeader(b)
			if _, err := io.CopyN(io.Discard, conn, int64(h.Length-rpc.HeaderSize)); err != nil {
				return
			}
			payload, status := answer(h)
			h.Type, h.Status = rpc.TypeReply, status
			if _, err := conn.Write(rpc.NewMessage(h, payload).Bytes); err != nil {
				return
			}
		}
	}()
	conn, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestUUID(t *testing.T) {
	const uuid = "7e1b2a3c-0000-4000-8000-00000000abcd"
	parsed, ok := parseUUID(strings.ToUpper(uuid))
	if !ok || formatUUID(parsed) != uuid {
		t.Errorf("%s is read as %s, %t", uuid, formatUUID(parsed), ok)
	}
	for _, name := range []string{"", "instance-00000001", uuid[1:], uuid + "0", "7e1b2a3c-0000-4000-8000-00000000abcg", "7e1b2a3c00000-4000-8000-00000000abcd"} {
		if _, ok := parseUUID(name); ok {
			t.Errorf("%q is taken for a UUID", name)
		}
	}
}

// TestRedacted: libvirt's error keeps its code, and other errors stay as they are.
func TestRedacted(t *testing.T) {
	const document = `<domain><devices><graphics type='vnc' passwd='S3cret'/></devices></domain>`
	err := redacted(golibvirt.Error{Code: uint32(golibvirt.ErrNoDomain), Message: "bad password S3cret"}, []byte(document))
	if strings.Contains(err.Error(), "S3cret") || !IsNotFound(err) {
		t.Errorf("the error is %#v", err)
	}
	err = redacted(golibvirt.Error{Message: "no network\nof 'a'"}, []byte(document))
	if err.Error() != "no network" {
		t.Errorf("the error is %q", err)
	}
	for _, other := range []error{nil, io.EOF, golibvirt.ErrUnsupported} {
		if err := redacted(other, []byte(document)); err != other {
			t.Errorf("%v becomes %v", other, err)
		}
	}
}
