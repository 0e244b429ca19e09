package domainxml_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// many are documents with n of one thing, as large as libvirt takes them (4 MiB).
func many() map[string]func(n int) string {
	domain := func(devices string) string {
		return "<domain type='kvm'><name>a</name><os><type>hvm</type></os><devices>" + devices + "</devices></domain>"
	}
	numbered := func(n int, format string) string {
		var s strings.Builder
		for i := range n {
			fmt.Fprintf(&s, format, i+1)
		}
		return s.String()
	}
	return map[string]func(int) string{
		"elements": func(n int) string {
			return "<domain type='kvm'><name>" + strings.Repeat("<a/>", n) + "</name></domain>"
		},
		"attributes": func(n int) string { return "<domain type='kvm'" + numbered(n, " a%d=''") + "/>" },
		"boots": func(n int) string {
			return "<domain type='kvm'><name>a</name><os><type>hvm</type>" + strings.Repeat("<boot dev='hd'/>", n) +
				"</os><devices><interface/><interface/></devices></domain>"
		},
		"interfaces": func(n int) string {
			return domain(numbered(n, "<interface><mac address='%d'/><filterref filter='a'/></interface>"))
		},
		"interfaces of one address": func(n int) string {
			return domain(strings.Repeat("<interface><mac address='1'/><filterref filter='a'/></interface>", n))
		},
		"filterrefs of one interface": func(n int) string {
			return domain("<interface>" + strings.Repeat("<filterref filter='a'/>", n) + "</interface>")
		},
		"parameters of one filterref": func(n int) string {
			return domain("<interface><filterref filter='a'>" + numbered(n, "<parameter name='IP' value='%d'/>") + "</filterref></interface>")
		},
		"ordered disks": func(n int) string {
			return domain(numbered(n, "<disk><target dev='vd%d'/><boot order='%[1]d'/></disk>") + "<interface/>")
		},
		"boot indexes of QEMU's own": func(n int) string {
			return "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name><os><type>hvm</type></os><devices><interface/>" +
				numbered(n, "<disk><target dev='vd%d'/><boot order='%[1]d'/></disk>") + "</devices><qemu:commandline>" +
				numbered(n, "<qemu:arg value='-device'/><qemu:arg value='a,bootindex=9%07d'/>") + "</qemu:commandline></domain>"
		},
		"kernels": func(n int) string {
			return "<domain type='kvm'><name>a</name><os><type>hvm</type>" + strings.Repeat("<kernel>/k</kernel><cmdline>c</cmdline>", n) + "</os></domain>"
		},
		"ordered interfaces and disks": func(n int) string {
			return domain(numbered(n, "<disk><target dev='vd%d'/><boot order='%[1]d'/></disk><interface><mac address='%[1]d'/><boot order='1%[1]d'/></interface>"))
		},
		"children of metadata": func(n int) string {
			return "<domain type='kvm'><name>a</name><metadata>" + numbered(n, "<x:a xmlns:x='urn:%d'/>") + "</metadata><os><type>hvm</type></os><devices><interface/></devices></domain>"
		},
		"entries of an undo record of the client's": func(n int) string {
			const entry = "<r:filterref device='interface' name='%d' position='%[1]d'><r:was><filterref filter='a'/></r:was><r:wrote/></r:filterref>"
			return "<domain type='kvm'><name>a</name><metadata><r:domain xmlns:r='urn:virt-netboot:domain:1.0'>" + numbered(n, entry) + "</r:domain></metadata>" +
				"<os><type>hvm</type></os><devices>" + numbered(n, "<interface><mac address='%d'/></interface>") + "</devices></domain>"
		},
		"undo records of the client's": func(n int) string {
			return "<domain type='kvm'><name>a</name><metadata>" + strings.Repeat("<r:domain xmlns:r='urn:virt-netboot:domain:1.0'><r:filterref device='interface' name='1' position='1'><r:was/><r:wrote/></r:filterref></r:domain>", n) +
				"</metadata><os><type>hvm</type></os><devices>" + numbered(n, "<interface><mac address='%d'/></interface>") + "</devices></domain>"
		},
		"elements 200 deep": func(n int) string {
			deep := strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)
			return "<domain type='kvm'><name>a</name><metadata>" + strings.Repeat(deep, n/200) + "</metadata><os><type>hvm</type></os><devices><interface/></devices></domain>"
		},
		"characters of a name": func(n int) string {
			return "<domain type='kvm'><name>" + strings.Repeat("x", n) + "</name><os><type>hvm</type></os><devices><interface/></devices></domain>"
		},
		"character references": func(n int) string {
			return "<domain type='kvm'><name>" + strings.Repeat("&#120;", n) + "</name><os><type>hvm</type></os><devices><interface/></devices></domain>"
		},
		"comments": func(n int) string {
			return "<domain type='kvm'><name>" + strings.Repeat("<!-- -->", n) + "</name></domain>"
		},
	}
}

// TestGrowth: the processor time for a document is linear in its length, at a rewrite,
// a further one, and a revert: no client may keep the agent busy for seconds with one
// document.
func TestGrowth(t *testing.T) {
	rule := domainxml.DefaultRule()
	rule.BootNIC.All, rule.Kernel = true, domainxml.KernelDrop
	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	for name, document := range many() {
		t.Run(name, func(t *testing.T) {
			const few, times = 500, 8
			small := work(t, r, document(few))
			large := work(t, r, document(times*few))
			for step, s := range small {
				t.Logf("%s: %v for %d, %v for %d", step, s, few, large[step], times*few)
				// Linear is a factor of 8, quadratic one of 64.
				if l := large[step]; l > 3*times*max(s, 5*time.Millisecond) {
					t.Errorf("%s takes %v for %d and %v for %d", step, s, few, l, times*few)
				}
			}
		})
	}
}

// work returns the least processor time of two attempts at each step.
func work(t *testing.T, r domainxml.Rewriter, document string) map[string]time.Duration {
	t.Helper()
	runtime.LockOSThread() // whose processor time is measured
	defer runtime.UnlockOSThread()
	least := map[string]time.Duration{}
	for range 2 {
		took := map[string]time.Duration{}
		measure := func(step string, do func() (domainxml.Result, error)) string {
			before := processorTime(t)
			res, err := do()
			took[step] = processorTime(t) - before
			if err != nil {
				t.Fatal(err)
			}
			return string(res.Output)
		}
		rewritten := measure("rewrite", func() (domainxml.Result, error) { return r.Domain([]byte(document), domainxml.Inactive) })
		measure("rewrite of the rewritten", func() (domainxml.Result, error) { return r.Domain([]byte(rewritten), domainxml.Inactive) })
		measure("running", func() (domainxml.Result, error) { return r.Domain([]byte(document), domainxml.Running) })
		measure("revert", func() (domainxml.Result, error) {
			d, err := domainxml.Parse([]byte(rewritten))
			if err != nil {
				return domainxml.Result{}, err
			}
			return d.Revert(true, domainxml.Inactive)
		})
		for step, d := range took {
			if was, known := least[step]; !known || d < was {
				least[step] = d
			}
		}
	}
	return least
}

// processorTime is that of this thread, without the collector's.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}
