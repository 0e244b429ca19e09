package resync

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestReplacedMeanwhile: a file that is replaced between our reading it and
// our writing it keeps what they wrote.
func TestReplacedMeanwhile(t *testing.T) {
	patched := decision{Result: edit.Result{Output: []byte(wantDoc)}, Write: true}
	withStock := patched
	withStock.Stock = []byte(stockDoc)
	for name, c := range map[string]struct {
		was  string
		work func(current *snapshot) error
	}{
		"patch": {stockDoc, func(current *snapshot) error {
			return write(current, patched, &outcome{})
		}},
		"patch, with its stock file to keep": {stockDoc, func(current *snapshot) error {
			return write(current, withStock, &outcome{})
		}},
		"revert": {wantDoc, func(current *snapshot) error {
			_, err := restore(editorOf(config.KindNovaTemplate), current, []byte(stockDoc))
			return err
		}},
		"revert, with a change to keep": {"<domain/>\n", func(current *snapshot) error {
			_, err := restore(editorOf(config.KindNovaTemplate), current, []byte(stockDoc))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "f")
			put(t, target, c.was)
			current, err := openSnapshot(openDir(t, target), "f")
			if err != nil {
				t.Fatal(err)
			}
			defer current.Close()
			put(t, target+".new", "theirs")
			if err := os.Rename(target+".new", target); err != nil {
				t.Fatal(err)
			}
			if err := c.work(current); !errors.Is(err, errBusy) {
				t.Errorf("error %v, want that it is busy", err)
			}
			if diff := cmp.Diff(map[string]string{"f": "theirs"}, contents(t, filepath.Dir(target))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// openDir opens the directory that path is in.
func openDir(t *testing.T, path string) *directory {
	t.Helper()
	dir, err := openDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// contents are the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}
