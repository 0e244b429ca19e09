package existing

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func listed(t *testing.T, l *List, observe bool, uuids ...string) {
	t.Helper()
	if err := l.Listed(observe, uuids); err != nil {
		t.Fatal(err)
	}
}

func have(t *testing.T, l *List, want string) {
	t.Helper()
	got := ""
	for _, uuid := range []string{"a", "b", "c"} {
		if l.Has(uuid) {
			got += uuid
		}
	}
	if got != want {
		t.Errorf("the list has %q, want %q", got, want)
	}
}

// TestList: what is there at the first listing with mode: enforce was there, across
// restarts of the agent, until it observes.
func TestList(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l := New(dir)
	have(t, l, "abc") // not known yet
	listed(t, l, true, "a")
	have(t, l, "abc")
	listed(t, l, false, "a", "b")
	have(t, l, "ab")
	listed(t, l, false, "a", "b", "c")
	have(t, l, "ab")

	l = New(dir)
	listed(t, l, false, "c")
	have(t, l, "ab")

	listed(t, l, true, "a", "c")
	if _, err := os.Stat(filepath.Join(dir, Name)); !os.IsNotExist(err) {
		t.Errorf("the list is still there: %v", err)
	}
	listed(t, l, false, "c")
	have(t, l, "c")
	there, err := Read(filepath.Join(dir, Name))
	if diff := cmp.Diff(map[string]bool{"c": true}, there); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestEmpty: an empty list, as an upgrade makes it, is that no domain was there.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := New(dir)
	listed(t, l, false, "a", "b")
	have(t, l, "")
}

// TestUnwritable: where the list cannot be written it holds for the process, and is
// written later.
func TestUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := New(dir)
	if l.Listed(false, []string{"a"}) == nil {
		t.Fatal("no error")
	}
	have(t, l, "abc") // a file in the place of the directory cannot be read either
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, Name+".new"), 0o755); err != nil {
		t.Fatal(err)
	}
	if l.Listed(false, []string{"a"}) == nil {
		t.Fatal("no error")
	}
	have(t, l, "a")
	if err := os.Remove(filepath.Join(dir, Name+".new")); err != nil {
		t.Fatal(err)
	}
	listed(t, l, false, "a", "b")
	have(t, l, "a")
	have(t, func() *List { l := New(dir); listed(t, l, false); return l }(), "a")
}
