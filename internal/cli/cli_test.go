package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestConfigSource: only a file that was asked for must be there.
func TestConfigSource(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "config.yaml")

	source := configFlag(&cobra.Command{})
	source.path = missing // in the place of the default
	got, err := source.load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	source = configFlag(&cobra.Command{})
	if err := source.flags.Parse([]string{"--config", missing}); err != nil {
		t.Fatal(err)
	}
	if _, err := source.load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("--config with a missing file: %v", err)
	}
}

// TestHelp: every command says what it does, on a terminal 80 wide, and when it
// exits with what.
func TestHelp(t *testing.T) {
	for _, cmd := range append(newRoot().Commands(), newRoot()) {
		if cmd.Short == "" || !strings.Contains(cmd.Long, "\nExit status:\n  0  ") {
			t.Errorf("%s: no help, or no exit statuses in it", cmd.Name())
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: wider than a terminal: %q", cmd.Name(), line)
			}
		}
	}
}

// TestCheckSaysThatTheFileIsMissing: check does not call a missing file valid.
func TestCheckSaysThatTheFileIsMissing(t *testing.T) {
	cmd := newCheck()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs([]string{}) // nil is the arguments of the test
	// In the place of the default: setting the value is not giving the flag.
	missing := filepath.Join(t.TempDir(), "config.yaml")
	if err := cmd.Flag("config").Value.Set(missing); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	if want := missing + " is not there, so the defaults apply\n1. default: every domain: "; !strings.HasPrefix(out.String(), want) {
		t.Errorf("output is %q, want %q...", out.String(), want)
	}
}
