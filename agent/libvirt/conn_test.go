package libvirt

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
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
