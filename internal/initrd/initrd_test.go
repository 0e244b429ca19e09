package initrd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/testing/hungfs"
)

func TestReadHead(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	write(t, script, "#!ipxe\nshell\n")
	empty := filepath.Join(dir, "empty")
	write(t, empty, "")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("script", link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		n    int
		want string
	}{
		{script, 6, "#!ipxe"},
		{script, 100, "#!ipxe\nshell\n"},
		{script, 0, ""},
		{link, 6, "#!ipxe"},
		{empty, 6, ""},
	} {
		got, err := New().ReadHead(c.path, c.n)
		if err != nil || string(got) != c.want {
			t.Errorf("ReadHead(%q, %d) = %q, %v; want %q", c.path, c.n, got, err, c.want)
		}
	}
}

func TestReadHeadRefuses(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want error
	}{
		{fifo, ErrNotRegular},
		{"/dev/zero", ErrNotRegular},
		{dir, ErrNotRegular},
		{filepath.Join(dir, "missing"), fs.ErrNotExist},
		{"nul\x00byte", syscall.EINVAL},
	} {
		done := make(chan error, 1)
		go func() {
			_, err := New().ReadHead(c.path, 6)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, c.want) {
				t.Errorf("ReadHead(%q): %v, want %v", c.path, err, c.want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("ReadHead(%q) blocks", c.path)
		}
	}
}

// A FIFO that takes the file's name between the two looks must not block either.
func TestReadHeadRace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "initrd")
	write(t, path+".file", "#!ipxe")
	if err := syscall.Mkfifo(path+".fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			from := path + ".file"
			if i%2 == 0 {
				from = path + ".fifo"
			}
			_ = os.Remove(path + ".new") // left by a rename onto the same inode
			_ = os.Link(from, path+".new")
			_ = os.Rename(path+".new", path)
		}
	}()
	r := New()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20000 {
			if got, err := r.ReadHead(path, 6); err == nil && string(got) != "#!ipxe" {
				t.Errorf("read %q", got)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("ReadHead blocks on a FIFO that took the file's name")
	}
	close(stop)
	<-stopped
}

// TestHangs: a read from a file server that is gone ends in time, and so do reads that
// wait for the same answer.
func TestHangs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	err := hungfs.Beside(dir, func(root string) error {
		r := New()
		for range 2 {
			result := make(chan error, 1)
			go func() {
				_, err := r.ReadHead(root+dir+"/initrd", 6)
				result <- err
			}()
			select {
			case err := <-result:
				if err == nil || !strings.Contains(err.Error(), dir+"/initrd: no answer within 1s; is its storage there?") {
					t.Errorf("error %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("ReadHead hangs")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
