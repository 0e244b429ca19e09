package domainxml_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// BenchmarkDomain compares a rewrite with libvirtxml's reading alone, on a
// domain of Nova's.
func BenchmarkDomain(b *testing.B) {
	doc, err := os.ReadFile("testdata/corpus/nova/image-raw-filterref.xml")
	if err != nil {
		b.Fatal(err)
	}
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	b.Run("rewrite", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if _, err := r.Domain(doc, domainxml.Inactive); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("libvirtxml.Unmarshal", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			var d libvirtxml.Domain
			if err := d.Unmarshal(string(doc)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkManyParts rewrites documents with many of one thing, and with twice as
// many: the bytes in a second stay.
func BenchmarkManyParts(b *testing.B) {
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
	for _, c := range []struct {
		name     string
		n        int
		document func(n int) string
	}{
		{"children", 40000, func(n int) string {
			return "<domain type='kvm'><name>" + strings.Repeat("<a/>", n) + "</name></domain>"
		}},
		{"attributes", 40000, func(n int) string { return "<domain type='kvm'" + numbered(n, " a%d=''") + "/>" }},
		{"boots", 40000, func(n int) string {
			return "<domain type='kvm'><name>a</name><os><type>hvm</type>" + strings.Repeat("<boot dev='hd'/>", n) +
				"</os><devices><interface/><interface/></devices></domain>"
		}},
		{"filterrefs", 500, func(n int) string {
			return domain(numbered(n, "<interface><mac address='%d'/><filterref/></interface>"))
		}},
		{"orders", 500, func(n int) string {
			return domain(numbered(n, "<disk><boot order='%d'/></disk>") + "<interface/>")
		}},
	} {
		rule := domainxml.DefaultRule()
		rule.BootNIC.All = true
		r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
		for _, n := range []int{c.n, 2 * c.n} {
			doc := []byte(c.document(n))
			b.Run(fmt.Sprintf("%s=%d", c.name, n), func(b *testing.B) {
				b.SetBytes(int64(len(doc)))
				for b.Loop() {
					if _, err := r.Domain(doc, domainxml.Inactive); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
