package e2e

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestRevertAll defines every document of libvirt's own tests and of Nova's past
// the agent. Each that libvirt accepts is brought in line and reverted: libvirt
// must then have the definition that it had, but for the mark.
func TestRevertAll(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		nova, err := lab.NovaRows()
		if err != nil {
			t.Fatal(err)
		}
		conn, raw := dial(t), dialRaw(t)
		rule := domainxml.DefaultRule()
		rule.Kernel = domainxml.KernelDrop
		rewriter := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
		rewrite := reconcile.Settler{
			Libvirt: conn,
			Decide:  func(s libvirt.State) reconcile.Decision { return reconcile.Enforce(rewriter, s, false) },
		}
		revert := reconcile.Settler{Libvirt: conn, Decide: reconcile.Revert}

		files, accepted, reordered, rewritten, compared := documents(t, filepath.Dir(nova)), 0, 0, 0, 0
		for _, file := range files {
			document, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := raw.DomainDefineXML(string(document))
			if err != nil {
				continue
			}
			accepted++
			before, moved := stable(t, conn, d.Name)
			if moved {
				reordered++
			}
			if _, err := rewrite.Settle(t.Context(), d.Name); err != nil {
				t.Errorf("%s: rewriting: %v", file, err)
			}
			if definition(t, conn, d.Name) != before {
				rewritten++
			}
			if _, err := revert.Settle(t.Context(), d.Name); err != nil {
				t.Errorf("%s: reverting: %v", file, err)
			}
			after := definition(t, conn, d.Name)
			if !strings.Contains(after, `reverted="yes"`) {
				t.Errorf("%s: no mark:\n%s", file, after)
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(withoutMark(after), "\n")); diff != "" {
				t.Errorf("%s (-before +reverted):\n%s", file, diff)
			}
			compared++
			if err := raw.DomainUndefineFlags(d, golibvirt.DomainUndefineKeepNvram|golibvirt.DomainUndefineManagedSave); err != nil {
				t.Fatalf("%s: undefining it: %v", file, err)
			}
		}
		t.Logf("%d documents, libvirt accepts %d and reorders %d of these by itself; %d rewritten, %d reverted and compared",
			len(files), accepted, reordered, rewritten, compared)
		if rewritten < 100 {
			t.Errorf("only %d were rewritten", rewritten)
		}
	})
}

// stable is the definition once libvirt has read it back as often as it takes: it
// sorts the controllers of some documents anew when it reads its own.
func stable(t *testing.T, conn *libvirt.Conn, domain string) (document string, moved bool) {
	t.Helper()
	document = definition(t, conn, domain)
	for range 3 {
		if err := conn.Define(t.Context(), libvirt.Domain{Name: domain}, []byte(document)); err != nil {
			t.Fatal(err)
		}
		again := definition(t, conn, domain)
		if again == document {
			return document, moved
		}
		document, moved = again, true
	}
	t.Errorf("%s: libvirt never reads back what it has written", domain)
	return document, moved
}

// documents are the domain documents below a directory.
func documents(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"libvirt-9.0.0/*.xml", "libvirt-9.0.0/*/*.xml", "libvirt-9.0.0/*/*/*.xml", "nova-26.2.2/*.xml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// dialRaw is a connection that can undefine.
func dialRaw(t *testing.T) *golibvirt.Libvirt {
	t.Helper()
	socket, err := net.Dial("unix", lab.LibvirtSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	raw := golibvirt.NewWithDialer(dialed{socket})
	if err := raw.ConnectToURI(golibvirt.QEMUSystem); err != nil {
		t.Fatal(err)
	}
	return raw
}

// dialed is a socket that is connected already.
type dialed struct{ net.Conn }

func (d dialed) Dial() (net.Conn, error) { return d.Conn, nil }

// definition is a domain's, secrets included.
func definition(t *testing.T, conn *libvirt.Conn, domain string) string {
	t.Helper()
	s, err := conn.Read(t.Context(), domain)
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Inactive)
}

// withoutMark takes the mark of a reverted domain out of libvirt's own document,
// with the <metadata> around it where that holds nothing else.
func withoutMark(document string) string {
	document = regexp.MustCompile(`\s*<netboot:domain [^>]*reverted="yes"/>`).ReplaceAllString(document, "")
	return regexp.MustCompile(`\n\s*<metadata>\s*</metadata>`).ReplaceAllString(document, "")
}
