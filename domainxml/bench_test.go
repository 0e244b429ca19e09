package domainxml_test

import (
	"testing"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/corpus"
	"os"
	"path/filepath"
)

// BenchmarkDomain compares a rewrite with libvirtxml's reading alone, on a
// domain of Nova's.
func BenchmarkDomain(b *testing.B) {
	doc, err := os.ReadFile(filepath.Join(corpus.Dir(b, corpus.Nova), "image-raw-filterref.xml"))
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
