package takeover

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHostFiles: a drop-in comes whole, and goes with the directory that was made for it.
func TestHostFiles(t *testing.T) {
	units := t.TempDir()
	path := filepath.Join(units, "libvirtd.socket.d", "50-virt-netboot.conf")
	var sys Host
	for _, content := range []string{"first\n", "second\n"} {
		if err := sys.Write(path, content); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != content {
			t.Errorf("it is %q (%v)", b, err)
		}
	}
	// As a run that is killed in the middle leaves it.
	if err := os.WriteFile(unfinished(path), []byte("thi"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sys.Remove(path); err != nil {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(filepath.Join(units, "*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v (%v)", left, err)
		}
	}

	other := filepath.Join(filepath.Dir(path), "mine.conf")
	for _, p := range []string{path, other} {
		if err := sys.Write(p, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := sys.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("an operator's own drop-in is gone: %v", err)
	}
}

// TestSettings: what counts of a drop-in.
func TestSettings(t *testing.T) {
	d := Daemons()[1]
	if diff := cmp.Diff(settings(moved(d)), settings("# Made by an older version.\n[Socket]\nListenStream=\nListenStream=/run/libvirt/libvirt-sock-direct\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, torn := range []string{"", "# Made\n[Socket]\n", moved(d)[:len(moved(d))-3], taken(d)} {
		if settings(torn) == settings(moved(d)) {
			t.Errorf("%q counts as whole", torn)
		}
	}
}
