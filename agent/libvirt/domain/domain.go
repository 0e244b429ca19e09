// Package domain is what libvirt has of a domain, apart from the connection that it is
// read through: what decides about a domain needs no more.
package domain

// Domain is a domain as virConnectListAllDomains returns it.
type Domain struct {
	Name, UUID string
	Active     bool // the guest runs or is paused
	Persistent bool // it has a definition; without one it is transient
}

// State is a domain with its documents. They include secrets (VIR_DOMAIN_XML_SECURE),
// so that they can be written back.
type State struct {
	Domain
	// Inactive is the definition (VIR_DOMAIN_XML_INACTIVE); nil for a transient
	// domain.
	Inactive []byte
	// Live is the running guest's document; nil where no guest runs.
	Live []byte
}
