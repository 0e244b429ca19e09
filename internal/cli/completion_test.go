package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOfferedNames: what completion puts on a command line names a domain, and does nothing
// to the terminal.
func TestOfferedNames(t *testing.T) {
	names := []string{"--all", "-h", "a\x1b[2Jb", "a\tb", "a\nb", "b c", "instance-0000006c", "named", "tür", "\xff"}
	got := offeredNames(names, []string{"named"})
	if diff := cmp.Diff([]string{"b c", "instance-0000006c", "tür"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCompleteBridges(t *testing.T) {
	sysfs := t.TempDir()
	for _, dir := range []string{"br2006/bridge", "virbr0/bridge", "eth0/device"} {
		if err := os.MkdirAll(filepath.Join(sysfs, "class/net", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := completeBridges(sysfs)(nil, nil, "")
	if diff := cmp.Diff([]string{"br2006", "virbr0"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
