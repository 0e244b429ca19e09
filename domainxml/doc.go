// Package domainxml makes libvirt domain XML try the network before the disk.
//
// A [Policy] is a list of rules; a [Rewriter] applies the first that fits to a
// document and returns the edited bytes with what was changed and what still
// keeps the guest from booting from the network:
//
//	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
//	res, err := r.Domain(doc, domainxml.Inactive)
//	if err != nil {
//		// doc is not XML that the rules can read: pass it on unchanged
//	}
//	os.Stdout.Write(res.Output)
//
// The structs of libvirt.org/go/libvirtxml decide what to change; the change
// itself is a splice into the original bytes, so that comments, white space and
// elements newer than the structs come out as they went in.
package domainxml
