package gateway

import (
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

const (
	vncPassword = "<graphics type='vnc' passwd='f1ddle5k'/>"
	commandLine = "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>" +
		"<q:arg value='-fw_cfg'/><q:arg value='name=opt/x,string=f1ddle5k'/></q:commandline>"
)

// TestDiff has the secrets beside the line that changes, or in it.
func TestDiff(t *testing.T) {
	const filter = "      <filterref filter='nova-base'/>\n"
	for name, doc := range map[string]string{
		"password before":          strings.Replace(domainDoc, filter, vncPassword+"\n"+filter, 1),
		"password after":           strings.Replace(domainDoc, filter, filter+vncPassword+"\n", 1),
		"password in the line":     strings.Replace(domainDoc, "<os>", vncPassword+"<os>", 1),
		"command line before":      strings.Replace(domainDoc, "  <os>", commandLine+"\n<os>", 1),
		"command line after":       strings.Replace(domainDoc, "</os>\n", "</os>\n"+commandLine, 1),
		"command line in the line": strings.Replace(domainDoc, "<os>", commandLine+"<os>", 1),
	} {
		t.Run(name, func(t *testing.T) {
			d := pendingCallOf(doc, rewrittenDoc(t, doc)).diff()
			if strings.Contains(d, "f1ddle5k") {
				t.Errorf("it has the secret:\n%s", d)
			}
			if !strings.Contains(d, "***") || !strings.Contains(d, "-"+filter) {
				t.Errorf("it does not show what changes around the secret:\n%s", d)
			}
		})
	}
}

func TestDiffOfNoXML(t *testing.T) {
	if d := pendingCallOf("f1ddle5k", "").diff(); !strings.HasPrefix(d, "not shown: ") || strings.Contains(d, "f1ddle5k") {
		t.Errorf("it is %q", d)
	}
}

func pendingCallOf(before, after string) *pendingCall {
	return &pendingCall{call: rpc.XMLCall{XML: []byte(before)}, result: domainxml.Result{Output: []byte(after)}}
}
