package capture_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/testing/frames"
)

// TestFile: frames come back as they were, with their devices.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boot.pcapng")
	file, err := capture.Create(path, []string{"tap0", "tap1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []capture.Frame{
		{Device: "tap0", At: time.Unix(1_700_000_000, 123_456_789).UTC(), Data: []byte("a frame"), Length: 7},
		{Device: "tap1", At: time.Unix(1_700_000_001, 1).UTC(), Data: []byte("one that was cut"), Length: 99},
	}
	for _, f := range want {
		if err := file.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := frames.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

// TestCreateTaken: a file that is there is not written over, and no link is followed.
func TestCreateTaken(t *testing.T) {
	dir := t.TempDir()
	taken, link, target := filepath.Join(dir, "taken"), filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := os.WriteFile(taken, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{taken, link} {
		if _, err := capture.Create(path, []string{"tap0"}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, err := os.ReadFile(taken); err != nil || string(text) != "kept" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link was followed: %v", err)
	}
}
