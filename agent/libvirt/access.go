package libvirt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// PolkitPerCall reports whether polkit decides about each call (access_drivers in
// libvirtd.conf and virtqemud.conf in dir, which is /etc/libvirt), not only once about
// each client.
func PolkitPerCall(dir string) (bool, error) {
	for _, name := range []string{"libvirtd.conf", "virtqemud.conf"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("reading libvirt's access_drivers: %w", err)
		}
		// A list may have line ends (virConfParse in libvirt's src/util/virconf.c).
		accessPolkit := regexp.MustCompile(`(?m)^[ \t]*access_drivers\s*=\s*\[?[^\]]*['"]polkit['"]`)
		if accessPolkit.Match(text) {
			return true, nil
		}
	}
	return false, nil
}
