package domainxml_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// BenchmarkDomain compares a rewrite with only reading by libvirtxml, for a domain of
// Nova's.
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
	// As in the gateway, where libvirtd and the client have used the caches since the
	// last call.
	b.Run("rewrite, cold caches", func(b *testing.B) {
		others := make([]byte, 32<<20)
		var took time.Duration
		for b.Loop() {
			for i := range others {
				others[i]++
			}
			start := time.Now()
			if _, err := r.Domain(doc, domainxml.Inactive); err != nil {
				b.Fatal(err)
			}
			took += time.Since(start)
		}
		b.ReportMetric(float64(took.Microseconds())/float64(b.N), "µs/rewrite")
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

// BenchmarkMany rewrites and reverts documents with as many of one thing as are rewritten:
// each is to take at most half a second of processor time.
func BenchmarkMany(b *testing.B) {
	rule := domainxml.DefaultRule()
	rule.BootNIC.All, rule.Kernel = true, domainxml.KernelDrop
	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	for name, document := range many() {
		const longest = 4 << 20
		n := longest * 2000 / len(document(2000))
		for len(document(n)) > longest || !revertible(r, document(n)) {
			n -= n / 20
		}
		rewrite := func(b *testing.B, doc string) string {
			res, err := r.Domain([]byte(doc), domainxml.Inactive)
			if err != nil {
				b.Fatal(err)
			}
			return string(res.Output)
		}
		revert := func(b *testing.B, doc string) string {
			d, err := domainxml.Parse([]byte(doc))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := d.Revert(true, domainxml.Inactive); err != nil {
				b.Fatal(err)
			}
			return ""
		}
		b.Run(fmt.Sprintf("rewrite/%s=%d", name, n), func(b *testing.B) { measured(b, document(n), rewrite) })
		b.Run(fmt.Sprintf("revert/%s=%d", name, n), func(b *testing.B) { measured(b, rewrite(b, document(n)), revert) })
	}
}

func revertible(r domainxml.Rewriter, doc string) bool {
	_, err := r.Domain([]byte(doc), domainxml.Inactive)
	return err == nil
}

// measured reports the processor time of this thread, beside the time that the machine
// takes with whatever else it does.
func measured(b *testing.B, doc string, do func(b *testing.B, doc string) string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := processorTime(b)
	for b.Loop() {
		do(b, doc)
	}
	b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}
