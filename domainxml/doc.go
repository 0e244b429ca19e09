// Package domainxml makes libvirt domain XML try the network before the disk.
//
// A [Policy] is a list of rules. A [Rewriter] applies the first that fits to a document,
// and returns the new document, what was changed, and what still keeps the guest from
// booting from the network:
//
//	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
//	res, err := r.Domain(doc, domainxml.Inactive)
//	if err != nil {
//		// doc is not XML that the rules can read: pass it on unchanged
//	}
//	os.Stdout.Write(res.Output)
//
// The rules decide on the structs of libvirt.org/go/libvirtxml. A change is a splice
// into the original bytes, so comments, white space and elements newer than the structs
// stay as they are.
package domainxml
