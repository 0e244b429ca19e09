package domainxml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

// TestRevertCorpus rewrites and reverts every document: libvirtxml must read the same
// as from the original.
func TestRevertCorpus(t *testing.T) {
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprintf("boot_nic all=%v", all), func(t *testing.T) { revertCorpus(t, all) })
	}
}

func revertCorpus(t *testing.T, all bool) {
	rule := domainxml.DefaultRule()
	rule.Kernel = domainxml.KernelDrop
	rule.BootNIC.All = all
	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	docs, reverted := corpus.Documents(t), 0
	for _, d := range docs {
		want := new(libvirtxml.Domain)
		if want.Unmarshal(string(d.XML)) != nil {
			continue
		}
		rewritten, err := r.Domain(d.XML, domainxml.Inactive)
		if err != nil || !rewritten.Changed() {
			continue
		}
		back, err := parsed(t, string(rewritten.Output)).Revert(false, domainxml.Inactive)
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		got := new(libvirtxml.Domain)
		if err := got.Unmarshal(string(back.Output)); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-original +reverted):\n%s", d.Name, diff)
		}
		reverted++
	}
	t.Logf("%d of %d documents rewritten and put back", reverted, len(docs))
	if reverted < len(docs)/2 {
		t.Errorf("only %d of %d documents", reverted, len(docs))
	}
}

const rewritable = `<domain type='kvm'>
  <name>a</name>
  <os>
    <type>hvm</type>
    <boot dev='hd'/>
  </os>
  <devices>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <filterref filter='nova-base'/>
    </interface>
  </devices>
</domain>`

func rewriteDefault(t *testing.T, doc []byte) domainxml.Result {
	t.Helper()
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	res, err := r.Domain(doc, domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestRevertedIsLeftAlone follows a domain from rewrite to revert to apply.
func TestRevertedIsLeftAlone(t *testing.T) {
	first := rewriteDefault(t, []byte(rewritable))
	if len(first.Changes) != 2 {
		t.Fatalf("changes %v, want boot order and filterref", first.Changes)
	}
	back, err := parsed(t, string(first.Output)).Revert(true, domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	left := rewriteDefault(t, back.Output)
	if left.Changed() || !left.Reverted || left.Rule != nil {
		t.Errorf("a reverted domain: changes %v, Reverted %v", left.Changes, left.Reverted)
	}
	again, err := parsed(t, string(back.Output)).Revert(true, domainxml.Inactive)
	if err != nil || again.Changed() {
		t.Errorf("a second revert: %v, %v", again.Changes, err)
	}
	applied, err := domainxml.Rewriter{}.Rewrite(parsed(t, string(back.Output)).Applied(), domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rewritable, string(applied.Output)); diff != "" {
		t.Errorf("rewritten, reverted, applied (-original +now):\n%s", diff)
	}
	if diff := cmp.Diff(string(first.Output), string(rewriteDefault(t, applied.Output).Output)); diff != "" {
		t.Errorf("rewritten again (-first +second):\n%s", diff)
	}
}

// TestRevertedAsLibvirtWritesIt: a mark in another spelling is a mark.
func TestRevertedAsLibvirtWritesIt(t *testing.T) {
	const doc = `<domain type='kvm'><name>a</name><metadata>` +
		`<netboot:domain xmlns:netboot='urn:virt-netboot:domain:1.0' reverted='yes'></netboot:domain></metadata></domain>`
	res, err := parsed(t, string(doc)).Revert(true, domainxml.Inactive)
	if err != nil || res.Changed() || string(res.Output) != doc {
		t.Errorf("changes %v, %v\n%s", res.Changes, err, res.Output)
	}
}

// TestAppliedSince: a document with a record and without the mark was applied again,
// although its domain was known to be reverted.
func TestAppliedSince(t *testing.T) {
	doc := replaceOnce(t, string(rewriteDefault(t, []byte(rewritable)).Output), "<name>a</name>",
		"<name>a</name><uuid>7e1b2a3c-0000-4000-9000-00000000006c</uuid>")
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy(), Reverted: func(string) bool { return true }}
	res, err := r.Domain([]byte(doc), domainxml.Inactive)
	if err != nil || res.Reverted || res.Changed() || res.Rule == nil {
		t.Errorf("Reverted %v, changes %v, rule %v, %v", res.Reverted, res.Changes, res.Rule, err)
	}
	res, err = r.Domain([]byte(replaceOnce(t, rewritable, "<name>a</name>", "<uuid>7e1b2a3c-0000-4000-9000-00000000006c</uuid>")), domainxml.Inactive)
	if err != nil || !res.Reverted {
		t.Errorf("a new document of such a domain: Reverted %v, %v", res.Reverted, err)
	}
}

// TestRevertRestoresWhatWasSetLast rewrites twice, and a client changes the document in
// between: a revert puts back what the client has set.
func TestRevertRestoresWhatWasSetLast(t *testing.T) {
	doc := replaceOnce(t, string(rewriteDefault(t, []byte(rewritable)).Output),
		"<boot dev='network'/>\n    <boot dev='hd'/>\n  </os>", "<boot dev='cdrom'/>\n  </os>")
	back, err := parsed(t, string(rewriteDefault(t, []byte(doc)).Output)).Revert(false, domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	want := replaceOnce(t, rewritable, "<boot dev='hd'/>", "<boot dev='cdrom'/>")
	if diff := cmp.Diff(want, string(back.Output)); diff != "" {
		t.Errorf("(-want +reverted):\n%s", diff)
	}
}

// TestRevertWithoutRecord marks a domain that was defined before virt-netboot was there.
func TestRevertWithoutRecord(t *testing.T) {
	back, err := parsed(t, string(rewritable)).Revert(true, domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	if left := rewriteDefault(t, back.Output); left.Changed() {
		t.Errorf("changed after revert: %v", left.Changes)
	}
	applied, err := domainxml.Rewriter{}.Rewrite(parsed(t, string(back.Output)).Applied(), domainxml.Inactive)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rewritable, string(applied.Output)); diff != "" {
		t.Errorf("(-original +applied):\n%s", diff)
	}
}

func replaceOnce(t *testing.T, s, from, to string) string {
	t.Helper()
	if strings.Count(s, from) != 1 {
		t.Fatalf("%q is there %d times in\n%s", from, strings.Count(s, from), s)
	}
	return strings.Replace(s, from, to, 1)
}
