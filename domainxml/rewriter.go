package domainxml

// Rewriter applies a policy to documents. Its zero value has no rules and
// changes nothing. It is safe for concurrent use.
type Rewriter struct {
	Policy Policy
	// ReadInitrd returns the first n bytes of an initrd, fewer when the file is
	// shorter. With nil no initrd is taken for an iPXE script.
	ReadInitrd func(path string, n int) ([]byte, error)
	// Reverted reports whether the domain of a UUID, in libvirt's form of lower
	// case and hyphens, is marked as reverted where it is defined. A new document of such a domain gets the mark too: Nova writes
	// one from scratch at each hard reboot. With nil only the mark in a document
	// counts.
	Reverted func(uuid string) bool
	// Once reports the mark of [SetOnce] in the same way. With nil only the mark in
	// a document counts.
	Once func(uuid string) Once
	// ReadDisk returns the first n bytes of a disk's content, as its guest sees it,
	// fewer when it is smaller. With nil no disk can be looked at.
	ReadDisk func(disk DiskSource, n int) ([]byte, error)
	// NWFilter looks an nwfilter up. What a rule would replace by one that libvirt
	// lacks, or for which the interface has not all variables, stays: with that one
	// the guest could not start. With nil every nwfilter fits every interface.
	NWFilter func(name string) NWFilter
}

// State says whether the guest of a document already runs.
type State int

// The states of libvirt's virDomainIsActive.
const (
	// Inactive: the document is what the guest will start from.
	Inactive State = iota
	// Active: the guest runs and is only moved (migrate, restore). Its kernel
	// and command line stay: it would come up without them, but its next reboot
	// from the inside would boot something else.
	Active
	// Running: the guest runs here, and only what can change while it does is
	// changed: the filterrefs.
	Running
)
