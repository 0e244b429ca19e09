package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/internal/credentials"
)

func always() error { return nil }

func TestWriteIsSeenWholeOrNotAtAll(t *testing.T) {
	path := newFile(t, strings.Repeat("0", 1<<16))
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) != 1<<16 || strings.Count(string(b), string(b[:1])) != len(b) {
				t.Errorf("read %d bytes, %v", len(b), err)
				return
			}
		}
	})
	for i := range 100 {
		write(t, path, strings.Repeat(fmt.Sprint(i%10), 1<<16), always)
	}
	close(done)
	wg.Wait()
}

func TestWriteStopsWhenNotReady(t *testing.T) {
	path := newFile(t, "old")
	want := errors.New("not now")
	err := try(t, path, "new", func() error { return want })
	if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	only(t, path, "old")
}

func TestWriteKeepsMode(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644, 0o444, 0o4755, 0o2771} {
		path := newFile(t, "old")
		if err := unix.Chmod(path, uint32(mode)); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, "new", always)
		after, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if before.Mode() != after.Mode() {
			t.Errorf("mode %v became %v", before.Mode(), after.Mode())
		}
		only(t, path, "new")
	}
}

// TestWriteIsOnTheDisk: the content is there before it has the name, and the name
// before Write returns; where one of the two fails, Write does.
func TestWriteIsOnTheDisk(t *testing.T) {
	broken := errors.New("input/output error")
	both := []string{"f: old, .f.virt-netboot-new: new", ".: new"}
	for name, c := range map[string]struct {
		fails string // what cannot be synced
		want  []string
		left  string
	}{
		"both":          {"", both, "new"},
		"the content":   {"f", both[:1], "old"},
		"the directory": {".", both, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, "old")
			like, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer like.Close()
			var got []string
			_, err = writer{sync: func(f *os.File) error {
				what, text := ".", read(t, path)
				if filepath.Clean(f.Name()) != filepath.Dir(path) {
					what, text = "f", fmt.Sprintf("%s, %s: %s", text, filepath.Base(f.Name()), read(t, f.Name()))
				}
				got = append(got, what+": "+text)
				if what == c.fails {
					return broken
				}
				return f.Sync()
			}}.write(openDir(t, path), filepath.Base(path), []byte("new"), like, always)
			if errors.Is(err, broken) != (c.fails != "") {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("what was synced, -want +got:\n%s", diff)
			}
			only(t, path, c.left)
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestWriteAnotherUsersFile: what is not root's to give away has no more rights than
// before.
func TestWriteAnotherUsersFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: it becomes another user")
	}
	const user, group, other = 1001, 1002, 1003
	for _, c := range []struct{ was, want string }{
		{fmt.Sprintf("0:%d 6754", group), fmt.Sprintf("%d:%d 0754", user, group)},
		{fmt.Sprintf("%d:%d 4640", user, group), fmt.Sprintf("%d:%d 4640", user, group)}, // the user's own
		{fmt.Sprintf("0:%d 6764", other), fmt.Sprintf("%d:%d 0744", user, user)},
	} {
		path := newFile(t, "old")
		var uid, gid int
		var mode uint32
		if _, err := fmt.Sscanf(c.was, "%d:%d %o", &uid, &gid, &mode); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755), os.Chown(filepath.Dir(path), user, user), os.Chown(path, uid, gid), unix.Chmod(path, mode),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		who := credentials.Credentials{UID: user, GID: user, Groups: []uint32{group}}
		if err := credentials.As(who, func() error { return try(t, path, "new", always) }); err != nil {
			t.Errorf("%s: %v", c.was, err)
		}
		only(t, path, "new")
		var now unix.Stat_t
		if err := unix.Stat(path, &now); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d:%d %04o", now.Uid, now.Gid, now.Mode&0o7777); got != c.want {
			t.Errorf("%s became %s, want %s", c.was, got, c.want)
		}
	}
}

// TestWriteFollowsNoLink: neither one that waits at the name of the new file nor one
// at the name that it takes.
func TestWriteFollowsNoLink(t *testing.T) {
	for _, at := range []string{"f", ".f.virt-netboot-new"} {
		path, elsewhere := newFile(t, "old"), newFile(t, "theirs")
		link := filepath.Join(filepath.Dir(path), at)
		if at == "f" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(elsewhere, link); err != nil {
			t.Fatal(err)
		}
		like, err := os.Open(elsewhere)
		if err != nil {
			t.Fatal(err)
		}
		defer like.Close()
		if _, err := Write(openDir(t, path), "f", []byte("new"), like, always); err != nil {
			t.Fatal(err)
		}
		only(t, path, "new")
		only(t, elsewhere, "theirs")
	}
}

func TestWriteSaysWhere(t *testing.T) {
	path := newFile(t, "old")
	dir := openDir(t, path)
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	like, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer like.Close()
	_, err = Write(dir, "f", nil, like, always)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// openDir opens the directory that path is in.
func openDir(t *testing.T, path string) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func newFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// try writes to path what is like the file there.
func try(t *testing.T, path, content string, ready func() error) error {
	t.Helper()
	like, err := os.Open(path)
	if err != nil {
		return err
	}
	defer like.Close()
	_, err = Write(openDir(t, path), filepath.Base(path), []byte(content), like, ready)
	return err
}

func write(t *testing.T, path, content string, ready func() error) {
	t.Helper()
	if err := try(t, path, content, ready); err != nil {
		t.Fatal(err)
	}
}

// only checks that path has the content and nothing else is in its directory.
func only(t *testing.T, path, content string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != content {
		t.Errorf("%q, %v; want %q", b, err, content)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("in the directory: %v, %v", entries, err)
	}
}
