package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Define makes the document the domain's definition (virDomainDefineXMLFlags). A
// running guest goes on as it is.
func (c *Conn) Define(ctx context.Context, d Domain, document []byte) error {
	return c.call(ctx, "redefining domain "+d.Name, func() error {
		_, err := c.rpc.DomainDefineXMLFlags(string(document), 0)
		return err
	})
}

// UpdateDevice changes a device of a running guest (virDomainUpdateDeviceFlags
// with VIR_DOMAIN_AFFECT_LIVE).
func (c *Conn) UpdateDevice(ctx context.Context, d Domain, device string) error {
	return c.call(ctx, "updating a device of domain "+d.Name, func() error {
		return c.rpc.DomainUpdateDeviceFlags(d.handle(), device, golibvirt.DomainDeviceModifyLive)
	})
}

// SetMetadata sets the element that a namespace has in a running guest's metadata
// (virDomainSetMetadata with VIR_DOMAIN_AFFECT_LIVE), "" to take it away. The
// element is without a namespace; libvirt puts it in with the key as its prefix.
func (c *Conn) SetMetadata(ctx context.Context, d Domain, namespace, key, element string) error {
	var metadata golibvirt.OptString
	if element != "" {
		metadata = golibvirt.OptString{element}
	}
	return c.call(ctx, "setting the metadata of domain "+d.Name, func() error {
		return c.rpc.DomainSetMetadata(d.handle(), int32(golibvirt.DomainMetadataElement), metadata,
			golibvirt.OptString{key}, golibvirt.OptString{namespace}, golibvirt.DomainAffectLive)
	})
}
