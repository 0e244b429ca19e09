package domainxml_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRunning: of a running guest only what can change while it runs is changed.
func TestRunning(t *testing.T) {
	res := rewriteRunning(t, []byte(rewritable))
	want := []domainxml.Change{{Kind: domainxml.ChangeFilterrefRemoved, Interface: "52:54:00:00:00:01", From: "nova-base"}}
	if diff := cmp.Diff(want, res.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	wantUpdates := []domainxml.InterfaceUpdate{{
		Interface: "52:54:00:00:00:01",
		XML:       "<interface type='bridge'>\n      <mac address='52:54:00:00:00:01'/>\n    </interface>",
	}}
	if diff := cmp.Diff(wantUpdates, res.Updates); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}

func rewriteRunning(t *testing.T, doc []byte) domainxml.Result {
	t.Helper()
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	res, err := r.Domain(doc, domainxml.Running)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestRecord puts the namespace into the record of a result as libvirt's
// virXMLInjectNamespace does, with the prefix on every element: Revert must read it.
func TestRecord(t *testing.T) {
	first := rewriteRunning(t, []byte(rewritable))
	rewritten, got := string(first.Output), *first.Record
	want := `<domain metadata="new">` +
		`<filterref device="interface" name="52:54:00:00:00:01" position="1"><was><filterref filter='nova-base'/></was><wrote/></filterref>` +
		`</domain>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("record (-want +got):\n%s", diff)
	}
	injected := strings.NewReplacer("</", "</netboot:", "<", "<netboot:").Replace(got)
	injected = strings.Replace(injected, "<netboot:domain", `<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0"`, 1)
	begin, end := strings.Index(rewritten, "<netboot:domain"), strings.Index(rewritten, "</netboot:domain>")
	doc := rewritten[:begin] + injected + rewritten[end+len("</netboot:domain>"):]
	back, err := parsed(t, doc).Revert(false, domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rewritable, string(back.Output)); diff != "" {
		t.Errorf("reverted (-want +got):\n%s\nfrom\n%s", diff, doc)
	}
	if again := rewriteRunning(t, first.Output); again.Record != nil {
		t.Errorf("a second rewrite has another record: %s", *again.Record)
	}
}

func TestFacts(t *testing.T) {
	const nic = `<interface type='bridge'><mac address='52:54:00:00:00:01'/>`
	for name, c := range map[string]struct {
		doc  string
		want domainxml.Facts
	}{
		"network": {
			`<os><type>hvm</type><boot dev='network'/><boot dev='hd'/></os>`,
			domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromNetwork, BootOrder: "network, hd"}},
		},
		"no boot element": {`<os><type>hvm</type></os>`, domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromDisk, BootOrder: "hd"}}},
		"cdrom":           {`<os><type>hvm</type><boot dev='cdrom'/></os>`, domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromCDROM, BootOrder: "cdrom"}}},
		"floppy":          {`<os><type>hvm</type><boot dev='fd'/></os>`, domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromFloppy, BootOrder: "fd"}}},
		"kernel": {
			`<os><type>hvm</type><kernel>/k</kernel><boot dev='network'/></os>`,
			domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromKernel, BootOrder: "network", Kernel: "/k"}},
		},
		"devices' own order": {
			`<os><type>hvm</type></os><devices>` + nic + `<boot order='2'/></interface>` +
				`<disk device='cdrom'><target dev='sda'/><boot order='1'/></disk></devices>`,
			domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromCDROM, BootOrder: "sda, 52:54:00:00:00:01"}},
		},
		"an interface's order": {
			`<os><type>hvm</type></os><devices>` + nic + `<boot order='1'/></interface></devices>`,
			domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromNetwork, BootOrder: "52:54:00:00:00:01"}},
		},
		"a disk's order": {
			`<os><type>hvm</type></os><devices><disk><target dev='vda'/><boot order='1'/></disk></devices>`,
			domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromDisk, BootOrder: "vda"}},
		},
		"a host device": {
			`<os><type>hvm</type></os><devices><hostdev><boot order='1'/></hostdev></devices>`,
			domainxml.Facts{Start: domainxml.Start{BootsFrom: domainxml.BootsFromOther, BootOrder: "hostdev #1"}},
		},
		"container": {`<os><type>exe</type></os>`, domainxml.Facts{}},
		"filters": {
			`<devices>` + nic + `<filterref filter='b'/></interface>` + nic + `<filterref filter='a'/></interface>` +
				nic + `<filterref filter='b'/></interface></devices>`,
			domainxml.Facts{Filters: []string{"b", "a"}},
		},
		"reverted": {
			`<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" reverted="yes"/></metadata>`,
			domainxml.Facts{Reverted: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := domainxml.Parse([]byte(`<domain type='kvm'>` + c.doc + `</domain>`))
			if err != nil {
				t.Fatal(err)
			}
			facts := got.Facts()
			facts.Domain = domainxml.Domain{} // its own test
			if diff := cmp.Diff(c.want, facts); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPending(t *testing.T) {
	const kernel, withCmdline = `<kernel>/k</kernel>`, `<kernel>/k</kernel><cmdline>c</cmdline>`
	for name, c := range map[string]struct {
		live, definition string
		want             []domainxml.Change
	}{
		"the same": {`<boot dev='hd'/>`, `<boot dev='hd'/>`, nil},
		"boot order": {
			`<boot dev='hd'/>`, `<boot dev='network'/><boot dev='hd'/>`,
			[]domainxml.Change{{Kind: domainxml.ChangeBootOrder, From: "hd", To: "network, hd"}},
		},
		"kernel dropped":   {withCmdline, ``, []domainxml.Change{{Kind: domainxml.ChangeKernelDropped, From: "/k"}}},
		"kernel restored":  {``, withCmdline, []domainxml.Change{{Kind: domainxml.ChangeKernelRestored, To: "/k"}}},
		"cmdline removed":  {withCmdline, kernel, []domainxml.Change{{Kind: domainxml.ChangeCmdlineRemoved, From: "c"}}},
		"cmdline restored": {kernel, withCmdline, []domainxml.Change{{Kind: domainxml.ChangeCmdlineRestored, To: "c"}}},
	} {
		t.Run(name, func(t *testing.T) {
			start := func(os string) domainxml.Start {
				return parsed(t, `<domain type='kvm'><os><type>hvm</type>`+os+`</os></domain>`).Facts().Start
			}
			got := domainxml.Pending(start(c.live), start(c.definition))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
