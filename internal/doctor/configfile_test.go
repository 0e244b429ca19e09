package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWhatIsNoConfigurationFile: Nova's directory is Nova's own, so that anything may
// be there.
func TestWhatIsNoConfigurationFile(t *testing.T) {
	root := t.TempDir()
	fifo, large := filepath.Join(root, "fifo"), filepath.Join(root, "large")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 64<<20); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"/fifo":  "is no regular file",
		"/large": "is larger than 1024 KiB",
	} {
		n := &nova{root: root}
		done := make(chan error, 1)
		go func() { done <- n.add(file) }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want that it %s", file, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still waiting", file)
		}
	}
}
