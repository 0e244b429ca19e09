package domainxml

// Rewriter applies a policy to documents. Its zero value has no rules and
// changes nothing. It is safe for concurrent use.
type Rewriter struct {
	Policy Policy
	// ReadInitrd returns the first n bytes of an initrd, fewer when the file is
	// shorter. It may be nil; then no initrd is taken for an iPXE script.
	ReadInitrd func(path string, n int) ([]byte, error)
	// Reverted reports whether a domain's definition is marked as reverted. The UUID is
	// in libvirt's form of lower case and hyphens. A new document of such a domain gets
	// the mark, too: Nova writes one from scratch at each hard reboot. It may be nil;
	// then only the mark in a document counts.
	Reverted func(uuid string) bool
	// Once reports the mark of virt-netboot once in the same way. It may be nil; then
	// only the mark in a document counts.
	Once func(uuid string) Once
	// ReadDisk returns the first n bytes of a disk's content, as its guest sees it,
	// fewer when it is smaller. It may be nil; then no disk can be read.
	ReadDisk func(disk DiskSource, n int) ([]byte, error)
	// NWFilter looks up an nwfilter. A filterref is not replaced by one that libvirt
	// lacks, or whose variables the interface lacks: the guest could not start. It may
	// be nil; then every nwfilter fits every interface.
	NWFilter func(name string) NWFilter
}

// State says whether the guest of a document already runs.
type State int

// The states of libvirt's virDomainIsActive.
const (
	// Inactive: the guest will start from the document.
	Inactive State = iota
	// Active: the guest runs and is only moved (migrate, restore). Its kernel and
	// command line stay: without them, its next reboot from inside would boot something
	// else.
	Active
	// Running: the guest runs here. Only the filterrefs are changed, since the rest
	// cannot change while it runs.
	Running
)
