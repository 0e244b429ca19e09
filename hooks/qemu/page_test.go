package qemu

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/hooks"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/hook"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
	"github.com/virt-netboot/virt-netboot/internal/journal"
)

// TestPage holds what qemu-hook(8) says against what the program does.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../packaging/man/qemu-hook.8.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{
		config.DefaultPath,
		journal.JournalSocket,
		journal.SyslogSocket,
		hookreport.Socket,
		hook.DefaultProgram,
		hook.Hooks{Dir: hook.DefaultDir}.Link(),
		string(hooks.Prepare),
		string(hooks.Migrate),
		string(hooks.Restore),
		fmt.Sprintf("After %v seconds", hooks.DefaultTimeout.Seconds()),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("nothing is said of %s", want)
		}
	}
	flags := regexp.MustCompile(`\*\*(--[a-z]+)\*\*`).FindAllStringSubmatch(page, -1)
	for _, m := range flags {
		if !strings.Contains(usage, m[1]) {
			t.Errorf("there is no flag %s", m[1])
		}
	}
	if len(flags) < 2 {
		t.Errorf("flags on the page: %v", flags)
	}
}
