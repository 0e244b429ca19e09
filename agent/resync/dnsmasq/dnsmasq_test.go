package dnsmasq_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/agent/resync/dnsmasq"
	"github.com/virt-netboot/virt-netboot/internal/testing/edittest"
)

func TestMain(m *testing.M) { edittest.Main(m) }

func TestEdit(t *testing.T) {
	for _, c := range edittest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) { c.Check(t, dnsmasq.Edit) })
	}
}

// TestDnsmasqReads has dnsmasq itself read each file, before and after.
func TestDnsmasqReads(t *testing.T) {
	const program = "/usr/sbin/dnsmasq"
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs Debian's dnsmasq-base: %v", err)
		}
		t.Skipf("left out: needs Debian's dnsmasq-base: %v", err)
	}
	for _, c := range edittest.Cases(t) {
		for _, part := range []string{"in", "out"} {
			file := filepath.Join(t.TempDir(), "dnsmasq.conf")
			if err := os.WriteFile(file, []byte(c.Part(part)), 0o644); err != nil {
				t.Fatal(err)
			}
			said, err := exec.Command(program, "--test", "--conf-file="+file).CombinedOutput()
			wantErr := strings.HasPrefix(c.Name, "unreadable-")
			if (err != nil) != wantErr {
				t.Errorf("%s, %s: %v: %s", c.Name, part, err, said)
			}
		}
	}
}

func FuzzEdit(f *testing.F) {
	for _, c := range edittest.Cases(f) {
		f.Add([]byte(c.Part("in")))
	}
	f.Fuzz(func(t *testing.T, in []byte) { edittest.CheckTwice(t, in, dnsmasq.Edit) })
}
