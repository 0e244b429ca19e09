package agent

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBypasses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bypasses")
	if got := bypasses(path); got != 0 {
		t.Errorf("without a file %v", got)
	}
	if err := os.WriteFile(path, []byte("1796007600\n1796007700\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := bypasses(path); got != 2 {
		t.Errorf("after two %v", got)
	}
}
