package e2e

import (
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestUnread: documents that libvirt takes, and that the gateway or the hook does not read.
// The hook reads what libvirt has made of most of them. With unprepared: deny none starts.
func TestUnread(t *testing.T) {
	const warn, deny = "rules: [{name: strict}]\n", "rules: [{name: strict, unprepared: deny}]\n"
	lab.Run(t, lab.Options{Hook: true, Config: warn}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		metadata := func(content string) string {
			return strings.Replace(g.Document, "<metadata>", `<metadata><a:a xmlns:a="urn:a">`+content+"</a:a>", 1)
		}
		must(t, l.StartAgent(t.Context(), "--only", "gateway"))
		for _, c := range []struct {
			name, document string
			gateway        string // why the gateway does not read it
			hook           string // why the hook does not, "" where it does
		}{
			{"a document type with an entity", "<!DOCTYPE domain [<!ENTITY hd 'hd'>]>" + strings.Replace(g.Document, `<boot dev="hd"/>`, `<boot dev="&hd;"/>`, 1), "document type declarations", ""},
			{"another encoding", "<?xml version='1.0' encoding='windows-1252'?>" + g.Document, "encoding windows-1252 is not read", ""},
			{"two <os>", strings.Replace(g.Document, "</os>", "</os><os><boot dev='hd'/></os>", 1), "a second <os>", ""},
			{"two <devices>", strings.Replace(g.Document, "</devices>", "</devices><devices/>", 1), "a second <devices>", ""},
			{"a prefix", "<x:" + strings.TrimSuffix(strings.Replace(g.Document, "<domain", "<domain xmlns:x='urn:x'", 1)[1:], "</domain>\n") + "</x:domain>", "the root element is <x:domain>", ""},
			{"a prefix on an attribute", strings.Replace(g.Document, `<boot dev="hd"/>`, `<boot xmlns:x="urn:x" x:dev="hd" dev="network"/>`, 1), "attribute x:dev has a prefix", ""},
			{"100,001 elements", metadata(strings.Repeat("<a:b/>", 100_001)), "more than 100000 elements", "more than 100000 elements"},
			{"12 MiB as libvirt writes it", metadata(strings.Repeat(">", 3<<20)), "", "it is longer than 8 MiB"},
		} {
			if !strings.Contains(c.document, "hd") {
				t.Fatalf("%s: the document is not what it should be", c.name)
			}
			virshGateway(t, l, "define", writeFile(t, "unread.xml", c.document))
			if c.gateway != "" {
				awaitMessages(t, l, 1, c.gateway, "PROCEDURE=DOMAIN_DEFINE_XML")
			}
			must(t, l.WriteConfig(warn))
			virsh(t, l, "start", "--paused", g.Name)
			virsh(t, l, "destroy", g.Name)
			must(t, l.WriteConfig(deny))
			reason := `rule "strict" wants`
			if c.hook != "" {
				reason = c.hook
			}
			if _, err := l.Virsh(t.Context(), "start", "--paused", g.Name); err == nil || !strings.Contains(err.Error(), "may not start: ") || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: started, or not refused with %q: %v", c.name, reason, err)
			}
			if log := messages(t, l, "OPERATION=prepare"); len(with(log, reason)) == 0 {
				t.Errorf("%s: the hook has not said %q:\n%s", c.name, reason, strings.Join(log, "\n"))
			}
			virsh(t, l, "undefine", g.Name)
		}
		// libvirt's calls end at a NUL, so a document in UTF-16 gets no further.
		utf16 := "\xff\xfe" + strings.Join(strings.Split(g.Document, ""), "\x00") + "\x00"
		if _, err := l.VirshGateway(t.Context(), "define", writeFile(t, "utf16.xml", utf16)); err == nil || !strings.Contains(err.Error(), "Start tag expected") {
			t.Errorf("libvirt takes UTF-16: %v", err)
		}
	})
}
