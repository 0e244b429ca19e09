package filewatch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrail(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "v1/sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"data":        "v1",
		"conf":        "data/conf",
		"v1/up":       "../v1/sub",
		"absolute":    filepath.Join(dir, "v1"),
		"loop":        "loop",
		"v1/sub/conf": "../../absolute/conf",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"conf":         "conf data v1 v1/conf",
		"absolute/x":   "absolute v1 v1/x",
		"missing/x/y":  "missing missing/x missing/x/y",
		"data/up/conf": "data v1 v1/up v1 v1/sub v1/sub/conf v1 absolute v1 v1/conf",
	} {
		var got []string
		for _, p := range Trail(filepath.Join(dir, path)) {
			if rel, err := filepath.Rel(dir, p); err == nil && rel != "." && !strings.HasPrefix(rel, "..") {
				got = append(got, rel)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s, -want +got:\n%s", path, diff)
		}
	}
	if got := len(Trail(filepath.Join(dir, "loop"))); got > maxLinks+20 {
		t.Errorf("a symlink to itself makes a trail of %d paths", got)
	}
}
