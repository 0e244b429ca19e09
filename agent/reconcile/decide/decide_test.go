package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/libvirt/domain"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

const (
	nova   = "<filterref filter='nova-base'/>"
	mark   = `<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" reverted="yes"/></metadata>`
	disk   = "<boot dev='hd'/>"
	net    = "<boot dev='network'/><boot dev='hd'/>"
	kernel = "<kernel>/k</kernel>"
)

// doc is a domain with those elements in it.
func doc(metadata, boot, filterref string) []byte {
	return fmt.Appendf(nil, `<domain type='kvm'><name>a</name><uuid>7e1b2a3c-0000-4000-8000-000000000001</uuid>%s`+
		`<os><type>hvm</type>%s</os><devices><interface type='bridge'><mac address='52:54:00:00:00:01'/>%s</interface></devices></domain>`,
		metadata, boot, filterref)
}

func state(inactive, live []byte) domain.State {
	return domain.State{
		Domain:   domain.Domain{Name: "a", UUID: "7e1b2a3c-0000-4000-8000-000000000001", Active: live != nil, Persistent: inactive != nil},
		Inactive: inactive,
		Live:     live,
	}
}

// record is the undo record of the domain with an item.
func record(item string) string {
	return `<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" ` + uuid + `>` + item + `</netboot:domain></metadata>`
}

// summary is a decision as the tables below write it.
type summary struct {
	Define, Update, Record, Pending, Warnings []string
	Boots                                     domainxml.BootsFrom
	Rule                                      string
	Reverted, Unreadable                      bool
}

func summarise(d Decision) summary {
	s := summary{
		Boots: d.Facts.Boots, Rule: d.Facts.Rule, Reverted: d.Facts.Reverted,
		Pending: texts(d.Facts.Pending), Unreadable: d.Facts.Unreadable != nil,
	}
	if d.Define != nil {
		s.Define = texts(d.Changes)
	}
	for _, u := range d.Updates {
		s.Update = append(s.Update, u.XML)
	}
	if d.Record != nil {
		s.Record = []string{*d.Record}
	}
	for _, w := range d.Facts.Warnings {
		s.Warnings = append(s.Warnings, string(w.Kind))
	}
	return s
}

const (
	bootChange = "boot order network, hd instead of hd"
	offChange  = "filterref nova-base removed from interface 52:54:00:00:00:01"
	plainNIC   = "<interface type='bridge'><mac address='52:54:00:00:00:01'/></interface>"
	filterNIC  = "<interface type='bridge'><mac address='52:54:00:00:00:01'/><filterref filter='nova-base'/></interface>"
	uuid       = `uuid="7e1b2a3c-0000-4000-8000-000000000001"`
	taken      = `<domain ` + uuid + ` metadata="new">` + offItem + `</domain>`
	offItem    = `<filterref device="interface" name="52:54:00:00:00:01" position="1"><was><filterref filter='nova-base'/></was><wrote/></filterref>`
	bootItem   = `<netboot:boot><netboot:was>` + disk + `</netboot:was><netboot:wrote>` + net + `</netboot:wrote></netboot:boot>`
	marked     = `<domain ` + uuid + ` metadata="new" reverted="yes"/>`
)

func TestEnforce(t *testing.T) {
	for name, c := range map[string]struct {
		state    domain.State
		reverted bool
		want     summary
	}{
		"in sync": {
			state: state(doc("", net, ""), nil),
			want:  summary{Boots: "network", Rule: "default"},
		},
		"defined bypassing the gateway": {
			state: state(doc("", disk, nova), nil),
			want:  summary{Boots: "disk", Rule: "default", Define: []string{bootChange, offChange}},
		},
		"running": {
			state: state(doc("", disk, nova), doc("", disk, nova)),
			want: summary{
				Boots: "disk", Rule: "default", Define: []string{bootChange, offChange},
				Update: []string{plainNIC}, Record: []string{taken}, Pending: []string{bootChange},
			},
		},
		"running, redefined already": {
			state: state(doc("", net, ""), doc("", disk, "")),
			want:  summary{Boots: "disk", Rule: "default", Pending: []string{bootChange}},
		},
		"transient": {
			state: state(nil, doc("", disk, nova)),
			want:  summary{Boots: "disk", Rule: "default", Update: []string{plainNIC}, Record: []string{taken}},
		},
		"a kernel": {
			state: state(doc("", kernel, ""), nil),
			want:  summary{Boots: "kernel", Rule: "default", Warnings: []string{"kernel"}},
		},
		"reverted": {
			state: state(doc(mark, disk, nova), doc("", disk, nova)),
			want:  summary{Boots: "disk", Reverted: true},
		},
		"reverted, transient": {
			state: state(nil, doc(mark, disk, nova)),
			want:  summary{Boots: "disk", Reverted: true},
		},
		"reverted, defined again without the mark": {
			state: state(doc("", disk, nova), doc("", disk, nova)), reverted: true,
			want: summary{Boots: "disk", Reverted: true, Define: []string{"marked as reverted: no rule applies until it is applied again"}},
		},
		"reverted, transient, created again without the mark": {
			state: state(nil, doc("", disk, nova)), reverted: true,
			want: summary{Boots: "disk", Reverted: true, Record: []string{marked}},
		},
		"applied again": {
			state: state(doc("", net, ""), nil), reverted: true,
			want: summary{Boots: "network", Rule: "default"},
		},
		"reverted, boots otherwise at the next start": {
			state: state(doc(mark, disk, nova), doc("", net, nova)),
			want:  summary{Boots: "network", Reverted: true, Pending: []string{"boot order hd instead of network, hd"}},
		},
		"a record without the UUID that libvirt gave the domain": {
			state: state(doc(`<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0">`+bootItem+`</netboot:domain></metadata>`, net, ""), nil),
			want: summary{
				Boots: "network", Rule: "default",
				Define: []string{"the undo record has the UUID of the domain and the names of its devices"},
			},
		},
		"a record of the version before": {
			state: state(doc(`<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0"><netboot:boot>`+disk+`</netboot:boot></netboot:domain></metadata>`, net, ""), nil),
			want:  summary{Boots: "network", Rule: "default"},
		},
		"the clone of a reverted domain": {
			state: state(doc(strings.Replace(mark, "reverted", `uuid="7e1b2a3c-0000-4000-8000-000000000099" reverted`, 1), disk, ""), nil),
			want:  summary{Boots: "disk", Rule: "default", Define: []string{bootChange}},
		},
		"a boot order that a client has set since": {
			state: state(doc(record(bootItem), disk, ""), nil),
			want:  summary{Boots: "disk", Rule: "default", Warnings: []string{"client-boot-order"}},
		},
		"unreadable": {
			state: state([]byte("<domain"), nil),
			want:  summary{Unreadable: true},
		},
		"unreadable definition of a running guest": {
			state: state([]byte("<domain"), doc("", disk, nova)),
			want:  summary{Boots: "disk", Unreadable: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Enforce(domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}, c.state, c.reverted)
			if diff := cmp.Diff(c.want, summarise(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if inSync := c.want.Define == nil && c.want.Update == nil && c.want.Record == nil; got.InSync() != inSync {
				t.Errorf("InSync is %t", got.InSync())
			}
		})
	}
}

// TestKeep: a domain that was there is left as it is for as long as neither of its
// documents has an undo record.
func TestKeep(t *testing.T) {
	recorded := strings.Replace(mark, ` reverted="yes"`, "", 1)
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	for name, c := range map[string]struct {
		state domain.State
		kept  bool
	}{
		"definition":                        {state(doc("", disk, nova), nil), true},
		"running guest":                     {state(doc("", disk, nova), doc("", disk, nova)), true},
		"transient guest":                   {state(nil, doc("", disk, nova)), true},
		"recorded definition":               {state(doc(recorded, disk, nova), nil), false},
		"recorded definition of a guest":    {state(doc(recorded, disk, nova), doc("", disk, nova)), false},
		"recorded transient guest":          {state(nil, doc(recorded, disk, nova)), false},
		"recorded guest, definition is not": {state(doc("", disk, nova), doc(recorded, disk, nova)), false},
	} {
		t.Run(name, func(t *testing.T) {
			got := Keep(r, c.state, false)
			if got.Facts.Kept != c.kept || got.InSync() != c.kept {
				t.Errorf("kept %t, in sync %t, want %t", got.Facts.Kept, got.InSync(), c.kept)
			}
			if len(got.Changes)+len(got.LiveChanges) == 0 {
				t.Error("it does not say what the rule wants")
			}
		})
	}
	r.Policy.Observe = true
	if got := Keep(r, state(doc("", disk, nova), nil), false); got.Facts.Kept {
		t.Error("kept, although mode: observe leaves it")
	}
}

// TestRevertAndApply takes a running domain back and forth.
func TestRevertAndApply(t *testing.T) {
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	first := Enforce(r, state(doc("", disk, nova), doc("", disk, nova)), false)
	// libvirt puts the namespace in, on every element.
	record := strings.NewReplacer("</", "</netboot:", "<", "<netboot:").Replace(*first.Record)
	record = strings.Replace(record, " ", ` xmlns:netboot="urn:virt-netboot:domain:1.0" `, 1)
	rewritten := state(first.Define, doc("<metadata>"+record+"</metadata>", disk, ""))

	back := Revert(domainxml.Rewriter{}, rewritten)
	want := summary{
		Define: []string{
			"marked as reverted: no rule applies until it is applied again",
			"boot order hd instead of network, hd",
			"filterref put back on interface 52:54:00:00:00:01",
		},
		Update:   []string{filterNIC},
		Record:   []string{marked},
		Boots:    "disk",
		Reverted: true,
	}
	if diff := cmp.Diff(want, summarise(back)); diff != "" {
		t.Errorf("revert (-want +got):\n%s", diff)
	}

	again := Apply(r, state(back.Define, doc(mark, disk, nova)))
	want = summary{
		Define:  []string{"not marked as reverted any more", bootChange, offChange},
		Update:  []string{plainNIC},
		Record:  []string{`<domain ` + uuid + `>` + offItem + `</domain>`},
		Pending: []string{bootChange},
		Boots:   "disk",
		Rule:    "default",
	}
	if diff := cmp.Diff(want, summarise(again)); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
}

func texts(changes []domainxml.Change) []string {
	var s []string
	for _, c := range changes {
		if text := c.String(); !slices.Contains(s, text) {
			s = append(s, text)
		}
	}
	return s
}

// TestApplyClientsBoot: apply puts the rule's boot order over one that a client has set.
func TestApplyClientsBoot(t *testing.T) {
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	chosen := state(doc(record(bootItem), disk, ""), nil)
	first := Apply(r, chosen)
	want := summary{Boots: "disk", Rule: "default", Define: []string{bootChange}}
	if diff := cmp.Diff(want, summarise(first)); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
	if again := Apply(r, state(first.Define, nil)); !again.InSync() {
		t.Errorf("a second apply: %v", again.Changes)
	}
	if next := Enforce(r, state(first.Define, nil), false); !next.InSync() {
		t.Errorf("after it: %v", next.Changes)
	}
}
