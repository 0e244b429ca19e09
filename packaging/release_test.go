package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReleaseRefuses: a release is built from a clean tree at a tag that the changelog has.
func TestReleaseRefuses(t *testing.T) {
	script, err := filepath.Abs("release")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	refused := func(want string) {
		t.Helper()
		cmd := exec.Command(script, t.TempDir())
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "no release: ") || !strings.Contains(string(out), want) {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
	}
	git("init", "-q")
	write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 1.0.1\n\n## 1.0.0 - 2026-11-30\n")
	git("add", ".")
	git("commit", "-qm", "one")
	refused("this commit has no tag")
	git("tag", "v1.0.0")
	write("new", "")
	refused("the tree differs from v1.0.0")
	git("add", ".")
	git("commit", "-qm", "two")
	refused("this commit has no tag")
	git("tag", "v1.0.1")
	refused(`CHANGELOG.md has no section "## 1.0.1 - DATE"`)
}
