package cli

import (
	"strings"
	"testing"
)

// TestRedactedDiff has the secrets beside the line that changes, or in it.
func TestRedactedDiff(t *testing.T) {
	const commandLine = "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='f1ddle5k'/></q:commandline>"
	for name, c := range map[string]struct{ doc, from, to string }{
		"password":     {"<domain>\n<graphics passwd='f1ddle5k'/>\n<os/>\n</domain>\n", "<os/>", "<os><boot/></os>"},
		"in the line":  {"<domain>\n<os/><graphics passwd='f1ddle5k'/>\n</domain>\n", "<os/>", "<os><boot/></os>"},
		"command line": {"<domain>\n<os/>\n" + commandLine + "\n</domain>\n", "<os/>", "<os><boot/></os>"},
		"goes":         {"<domain>\n<os/>" + commandLine + "</domain>\n", commandLine, ""},
		"comes":        {"<domain>\n<os/></domain>\n", "<os/>", commandLine},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := redactedDiff("a", []byte(c.doc), "b", []byte(strings.Replace(c.doc, c.from, c.to, 1)))
			if err != nil || strings.Contains(d, "f1ddle5k") || !strings.Contains(d, "***") {
				t.Errorf("%v; the diff is\n%s", err, d)
			}
		})
	}
	for _, docs := range [][2]string{{"<a", "<a/>"}, {"<a/>", "<a"}} {
		if d, err := redactedDiff("a", []byte(docs[0]), "b", []byte(docs[1])); err == nil {
			t.Errorf("of documents that cannot be read the diff is %q", d)
		}
	}
}
