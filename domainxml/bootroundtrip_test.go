package domainxml_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRevertBoots: a revert returns each <boot dev='…'/> that was there, also those that
// are there twice, and those behind the four that libvirt reads.
func TestRevertBoots(t *testing.T) {
	kinds := []string{"hd", "cdrom", "network"}
	var lists [][]string
	for n := range 6 {
		for code := range pow(len(kinds), n) {
			var list []string
			for range n {
				list = append(list, kinds[code%len(kinds)])
				code /= len(kinds)
			}
			lists = append(lists, list)
		}
	}
	for _, list := range lists {
		boots := ""
		for _, dev := range list {
			boots += fmt.Sprintf("<boot dev='%s'/>", dev)
		}
		doc := "<domain type='kvm'><name>a</name><os><type>hvm</type>" + boots + "</os><devices><interface/></devices></domain>"
		rewritten := rewriteDefault(t, []byte(doc))
		back, err := parsed(t, string(rewritten.Output)).Revert(false, domainxml.Inactive)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(doc, string(back.Output)); diff != "" {
			t.Fatalf("%v (-before +reverted):\n%s\nrewritten:\n%s", list, diff, rewritten.Output)
		}
	}
}

func pow(base, n int) int {
	p := 1
	for range n {
		p *= base
	}
	return p
}
