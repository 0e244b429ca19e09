package manual

import (
	"fmt"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/hooks"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/journal"
)

// TestPage holds what the page says against what the program does.
func TestPage(t *testing.T) {
	for _, want := range []string{
		config.DefaultPath,
		journal.JournalSocket,
		journal.SyslogSocket,
		hookreport.Socket,
		string(hooks.Prepare),
		string(hooks.Migrate),
		string(hooks.Restore),
		fmt.Sprintf("After %v seconds", hooks.DefaultTimeout.Seconds()),
	} {
		if !strings.Contains(Page, want) {
			t.Errorf("nothing is said of %s", want)
		}
	}
}
