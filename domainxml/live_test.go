package domainxml_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRunning changes what a running guest can change, and no more.
func TestRunning(t *testing.T) {
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	res, err := r.Domain([]byte(rewritable), domainxml.Running)
	if err != nil {
		t.Fatal(err)
	}
	want := []domainxml.Change{{Kind: domainxml.ChangeFilterrefRemoved, Interface: "52:54:00:00:00:01", From: "nova-base"}}
	if diff := cmp.Diff(want, res.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	updates, err := domainxml.InterfaceUpdates([]byte(rewritable), res.Output)
	if err != nil {
		t.Fatal(err)
	}
	wantUpdates := []domainxml.InterfaceUpdate{{
		Interface: "52:54:00:00:00:01",
		XML:       "<interface type='bridge'>\n      <mac address='52:54:00:00:00:01'/>\n    </interface>",
	}}
	if diff := cmp.Diff(wantUpdates, updates); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}

// TestInterfaceUpdatesOfOther refuses documents with other interfaces.
func TestInterfaceUpdatesOfOther(t *testing.T) {
	const none, one, two = `<domain><devices/></domain>`, `<domain><devices><interface/></devices></domain>`,
		`<domain><devices><interface/><interface/></devices></domain>`
	for _, c := range []struct{ live, wanted, want string }{
		{two, one, "2 interfaces became 1"},
		{one, two, "1 interfaces became 2"},
		{one, none, "1 interfaces became 0"},
	} {
		updates, err := domainxml.InterfaceUpdates([]byte(c.live), []byte(c.wanted))
		if err == nil || err.Error() != c.want || updates != nil {
			t.Errorf("got %v, %v, want the error %q", updates, err, c.want)
		}
	}
}

// TestRecord has libvirt put the namespace back into what Record returns, as
// virXMLInjectNamespace does, prefix on every element included: Revert must read
// it all the same.
func TestRecord(t *testing.T) {
	if got, err := domainxml.Record([]byte(rewritable)); got != "" || err != nil {
		t.Errorf("record of a domain without one: %q, %v", got, err)
	}
	rewritten := string(rewriteDefault(t, []byte(rewritable)).Output)
	got, err := domainxml.Record([]byte(rewritten))
	if err != nil {
		t.Fatal(err)
	}
	want := `<domain metadata="new">
      <boot><boot dev='hd'/></boot>
      <filterref number="1" name="52:54:00:00:00:01"><filterref filter='nova-base'/></filterref>
    </domain>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("record (-want +got):\n%s", diff)
	}
	injected := strings.NewReplacer("</", "</netboot:", "<", "<netboot:").Replace(got)
	injected = strings.Replace(injected, "<netboot:domain", `<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0"`, 1)
	begin, end := strings.Index(rewritten, "<netboot:domain"), strings.Index(rewritten, "</netboot:domain>")
	doc := rewritten[:begin] + injected + rewritten[end+len("</netboot:domain>"):]
	back, err := domainxml.Revert([]byte(doc), false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rewritable, string(back.Output)); diff != "" {
		t.Errorf("reverted (-want +got):\n%s\nfrom\n%s", diff, doc)
	}
}

func TestInspect(t *testing.T) {
	const nic = `<interface type='bridge'><mac address='52:54:00:00:00:01'/>`
	for name, c := range map[string]struct {
		doc  string
		want domainxml.Facts
	}{
		"network": {
			`<os><type>hvm</type><boot dev='network'/><boot dev='hd'/></os>`,
			domainxml.Facts{BootsFrom: domainxml.BootsFromNetwork, BootOrder: "network, hd"},
		},
		"no boot element": {`<os><type>hvm</type></os>`, domainxml.Facts{BootsFrom: domainxml.BootsFromDisk, BootOrder: "hd"}},
		"cdrom":           {`<os><type>hvm</type><boot dev='cdrom'/></os>`, domainxml.Facts{BootsFrom: domainxml.BootsFromCDROM, BootOrder: "cdrom"}},
		"floppy":          {`<os><type>hvm</type><boot dev='fd'/></os>`, domainxml.Facts{BootsFrom: domainxml.BootsFromFloppy, BootOrder: "fd"}},
		"kernel": {
			`<os><type>hvm</type><kernel>/k</kernel><boot dev='network'/></os>`,
			domainxml.Facts{BootsFrom: domainxml.BootsFromKernel, BootOrder: "network", Kernel: "/k"},
		},
		"devices' own order": {
			`<os><type>hvm</type></os><devices>` + nic + `<boot order='2'/></interface>` +
				`<disk device='cdrom'><target dev='sda'/><boot order='1'/></disk></devices>`,
			domainxml.Facts{BootsFrom: domainxml.BootsFromCDROM, BootOrder: "sda, 52:54:00:00:00:01"},
		},
		"an interface's order": {
			`<os><type>hvm</type></os><devices>` + nic + `<boot order='1'/></interface></devices>`,
			domainxml.Facts{BootsFrom: domainxml.BootsFromNetwork, BootOrder: "52:54:00:00:00:01"},
		},
		"a disk's order": {
			`<os><type>hvm</type></os><devices><disk><target dev='vda'/><boot order='1'/></disk></devices>`,
			domainxml.Facts{BootsFrom: domainxml.BootsFromDisk, BootOrder: "vda"},
		},
		"a host device": {
			`<os><type>hvm</type></os><devices><hostdev><boot order='1'/></hostdev></devices>`,
			domainxml.Facts{BootsFrom: domainxml.BootsFromOther, BootOrder: "hostdev #1"},
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
			got, err := domainxml.Inspect([]byte(`<domain type='kvm'>` + c.doc + `</domain>`))
			if err != nil {
				t.Fatal(err)
			}
			got.Domain = domainxml.Domain{} // its own test
			if diff := cmp.Diff(c.want, got); diff != "" {
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
			doc := func(os string) []byte {
				return []byte(`<domain type='kvm'><os><type>hvm</type>` + os + `</os></domain>`)
			}
			got, err := domainxml.Pending(doc(c.live), doc(c.definition))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
