package e2e

import (
	"net"
	"regexp"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/agent/reconcile/decide"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// TestRevertAll defines every document of the corpus, bypassing the agent. Each that
// libvirt accepts is brought in sync and reverted: libvirt must then have the
// definition that it had, but for the mark.
func TestRevertAll(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		conn, raw := dial(t), dialRaw(t)
		rule := domainxml.DefaultRule()
		rule.Kernel = domainxml.KernelDrop
		rewriter := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
		rewrite := reconcile.Syncer{
			Libvirt: conn,
			Decide:  func(s libvirt.State) decide.Decision { return decide.Enforce(rewriter, s, false) },
		}
		revert := reconcile.Syncer{Libvirt: conn, Decide: func(s libvirt.State) decide.Decision { return decide.Revert(domainxml.Rewriter{}, s) }}

		docs, accepted, reordered, rewritten, compared := corpus.Documents(t), 0, 0, 0, 0
		for _, doc := range docs {
			d, err := raw.DomainDefineXML(string(doc.XML))
			if err != nil {
				continue
			}
			accepted++
			before, moved := stable(t, conn, d.Name)
			if moved {
				reordered++
			}
			if _, err := rewrite.Sync(t.Context(), d.Name); err != nil {
				t.Errorf("%s: rewriting: %v", doc.Name, err)
			}
			if definition(t, conn, d.Name) != before {
				rewritten++
			}
			if _, err := revert.Sync(t.Context(), d.Name); err != nil {
				t.Errorf("%s: reverting: %v", doc.Name, err)
			}
			after := definition(t, conn, d.Name)
			if !strings.Contains(after, `reverted="yes"`) {
				t.Errorf("%s: no mark:\n%s", doc.Name, after)
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(withoutMark(after), "\n")); diff != "" {
				t.Errorf("%s (-before +reverted):\n%s", doc.Name, diff)
			}
			compared++
			if err := raw.DomainUndefineFlags(d, golibvirt.DomainUndefineKeepNvram|golibvirt.DomainUndefineManagedSave); err != nil {
				t.Fatalf("%s: undefining it: %v", doc.Name, err)
			}
		}
		t.Logf("%d documents, libvirt accepts %d and reorders %d of these by itself; %d rewritten, %d reverted and compared",
			len(docs), accepted, reordered, rewritten, compared)
		if rewritten == 0 || rewritten < accepted/2 {
			t.Errorf("only %d of %d were rewritten", rewritten, accepted)
		}
	})
}

// stable is the definition once libvirt has read it back as often as it takes: it
// sorts the controllers of some documents again when it reads its own.
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
