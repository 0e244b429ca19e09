package agent

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/virt-netboot/virt-netboot/agent/reload"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestFiltersUnanswered: an error is logged again only when it changes.
func TestFiltersUnanswered(t *testing.T) {
	upstream := filepath.Join(t.TempDir(), "libvirt-sock")
	c, err := config.Parse("config.yaml", []byte("gateway: {upstream: "+upstream+"}\nrules: [{filterref: 'replace:own'}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	logged := logrustest.NewLocal(log)
	f := newFilters(reload.New("config.yaml", c, log), log)
	warnings := func(want int) {
		t.Helper()
		if wait := f.ask(t.Context()); wait != filtersRetry {
			t.Errorf("asked again in %v, want %v", wait, filtersRetry)
		}
		if got := len(logged.AllEntries()); got != want {
			t.Errorf("%d warnings, want %d: %v", got, want, logged.AllEntries())
		}
	}
	warnings(1)
	warnings(1)
	if err := os.WriteFile(upstream, nil, 0o600); err != nil { // another reason
		t.Fatal(err)
	}
	warnings(2)
}
