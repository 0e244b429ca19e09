package apparmor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/internal/doctor/apparmor"
)

// TestProfiles asks each profile of testdata about the paths of its part "paths":
// a line is "yes PATH" or "no PATH" for reading, "runs PATH" or "not PATH" for
// running it.
func TestProfiles(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no testdata (%v)", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			dir, questions := unpack(t, path)
			p, err := apparmor.Load(dir, "profile")
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(questions) {
				want, file, _ := strings.Cut(strings.TrimSpace(line), " ")
				got := map[bool]string{true: "yes", false: "no"}[p.Reads(file)]
				if want == "runs" || want == "not" {
					got = map[bool]string{true: "runs", false: "not"}[p.Executes(file)]
				}
				if got != want {
					t.Errorf("%s: %s, want %s", file, got, want)
				}
			}
		})
	}
}

func unpack(t *testing.T, path string) (dir, questions string) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, f := range archive.Files {
		if f.Name == "paths" {
			questions = string(f.Data)
			continue
		}
		file := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if questions == "" {
		t.Fatalf("%s asks nothing", path)
	}
	return dir, questions
}

// TestMissing: what is included must be there, unless the profile says so.
func TestMissing(t *testing.T) {
	dir := t.TempDir()
	if _, err := apparmor.Load(dir, "profile"); err == nil {
		t.Error("a profile that is not there is read")
	}
	text := "#include <abstractions/base>\n"
	if err := os.WriteFile(filepath.Join(dir, "profile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := apparmor.Load(dir, "profile"); err == nil || !strings.Contains(err.Error(), "abstractions/base") {
		t.Errorf("an include that is not there: %v", err)
	}
}
