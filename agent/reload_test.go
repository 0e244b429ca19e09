package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestReload: a changed configuration reaches the log, what is known of nwfilters,
// and the files, those included that it has named before.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	await := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after 30 s: %s", what)
			}
		}
	}
	patched := func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "dnsmasq.conf"))
		return err == nil && strings.Contains(string(text), "iPXE")
	}
	gateway := "gateway: {upstream: " + filepath.Join(dir, "upstream") + "}\n"
	files := "files: [{path: " + filepath.Join(dir, "dnsmasq.conf") + ", kind: dnsmasq}]\n"
	write("dnsmasq.conf", "strict-order\n")
	write("config.yaml", gateway+"files: []\n")
	c, err := config.Read(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	log := quiet()
	logged := logrustest.NewLocal(log)
	done := make(chan error, 1)
	a := New(filepath.Join(dir, "config.yaml"), c, log, Options{Dir: dir, Only: Components{status.ComponentFiles, status.ComponentReconcile}})
	go func() { done <- a.Run(t.Context()) }()
	t.Cleanup(func() { <-done })

	write("config.yaml", gateway+files+"log: {level: debug}\nrules: [{filterref: 'replace:own'}]\n")
	await("the level is not debug", func() bool { return log.GetLevel() == logrus.DebugLevel })
	await("libvirt is not asked for the nwfilter", func() bool {
		for _, e := range logged.AllEntries() {
			if strings.Contains(e.Message, "which nwfilters it has") {
				return true
			}
		}
		return false
	})
	await("the file is not patched", patched)
	write("config.yaml", gateway+files+"rules: [{boot: keep}]\n")
	await("the file is still patched", func() bool { return !patched() })
}
