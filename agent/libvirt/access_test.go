package libvirt

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPolkitPerCall(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                                 false,
		"#access_drivers = [ \"polkit\" ]\n":               false,
		"access_drivers = [ \"none\" ]\n":                  false,
		"auth_unix_rw = \"polkit\"\n":                      false,
		"access_drivers = [ \"polkit\" ]\n":                true,
		"a = 1\n\taccess_drivers=['polkit']\n":             true,
		"access_drivers = [\n  \"polkit\",\n]\n":           true,
		"access_drivers = []\nauth_unix_rw = \"polkit\"\n": false,
	} {
		for _, name := range []string{"libvirtd.conf", "virtqemud.conf"} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := PolkitPerCall(dir); got != want || err != nil {
				t.Errorf("%s with %q: %v, %v; want %v", name, text, got, err, want)
			}
		}
	}
	if got, err := PolkitPerCall("/nonexistent"); got || err != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
}
