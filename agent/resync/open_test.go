package resync

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotIsUndisturbed(t *testing.T) {
	tests := []struct {
		name    string
		disturb func(t *testing.T, path string)
		want    error
	}{
		{"by nobody", func(*testing.T, string) {}, nil},
		{"by a reader", func(t *testing.T, path string) {
			if _, err := os.ReadFile(path); err != nil {
				t.Error(err)
			}
		}, nil},
		{"not by one who opens it for writing", func(t *testing.T, path string) {
			// The kernel holds the writer up until the lease is given back.
			go func() {
				if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
					f.Close()
				}
			}()
			time.Sleep(100 * time.Millisecond)
		}, errBusy},
		{"not by one who renames it", func(t *testing.T, path string) {
			if err := os.Rename(path, path+"~"); err != nil {
				t.Error(err)
			}
		}, errBusy},
		{"not by one who renames another over it", func(t *testing.T, path string) {
			if err := os.WriteFile(path+".new", []byte("CONTENT"), 0o600); err != nil {
				t.Error(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Error(err)
			}
		}, errBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := openSnapshot(path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !s.leased {
				t.Skip("left out: this file system knows no leases")
			}
			tt.disturb(t, path)
			if err := s.undisturbed(); !errors.Is(err, tt.want) {
				t.Errorf("undisturbed() = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTrail(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a/b", "c"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"a/b/up": "../../c/f", "l": "a", "abs": filepath.Join(root, "a/b"), "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{
		"a/b/f":      {"a", "a/b", "a/b/f"},
		"none/b/f":   {"none", "none/b", "none/b/f"},
		"l/b/f":      {"l", "a", "a/b", "a/b/f"},
		"a/b/up":     {"a", "a/b", "a/b/up", "a", ".", "c", "c/f"},
		"abs/../b/f": {"abs", ".", "a", "a/b", "a", "a/b", "a/b/f"},
	} {
		var got []string
		for _, p := range trail(root + "/" + path) {
			if rel, err := filepath.Rel(root, p); err == nil && rel[0] != '.' || p == root && len(got) > 0 {
				got = append(got, rel)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if n := len(trail(filepath.Join(root, "loop"))); n > 100 {
		t.Errorf("%d paths in a loop", n)
	}
}
