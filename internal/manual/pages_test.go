package manual

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
)

// TestFiles: the files of virt-netboot(8) are where the program has them.
func TestFiles(t *testing.T) {
	for _, path := range []string{
		config.DefaultPath,
		config.Default().Gateway.Listen,
		filepath.Join(status.Dir, status.Socket),
		hookreport.Socket,
	} {
		if !strings.Contains(programText, "\n  "+path+" ") {
			t.Errorf("%s is not among the files", path)
		}
	}
}
