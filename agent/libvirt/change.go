package libvirt

import (
	"context"
	"errors"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Define makes the document the domain's definition (virDomainDefineXMLFlags). A
// running guest does not change.
func (c *Conn) Define(ctx context.Context, d Domain, document []byte) error {
	return c.call(ctx, "redefining domain "+d.Name, func() error {
		_, err := c.rpc.DomainDefineXMLFlags(string(document), 0)
		return redacted(err, document)
	})
}

// UpdateDevice changes a device of a running guest (virDomainUpdateDeviceFlags
// with VIR_DOMAIN_AFFECT_LIVE).
func (c *Conn) UpdateDevice(ctx context.Context, d Domain, device string) error {
	return c.call(ctx, "updating a device of domain "+d.Name, func() error {
		err := c.rpc.DomainUpdateDeviceFlags(handle(d), device, golibvirt.DomainDeviceModifyLive)
		return redacted(err, []byte(device))
	})
}

// SetMetadata sets the element that a namespace has in a running guest's metadata
// (virDomainSetMetadata with VIR_DOMAIN_AFFECT_LIVE); "" removes it. The element is
// without a namespace; libvirt adds it, with the key as its prefix.
func (c *Conn) SetMetadata(ctx context.Context, d Domain, namespace, key, element string) error {
	var metadata golibvirt.OptString
	if element != "" {
		metadata = golibvirt.OptString{element}
	}
	return c.call(ctx, "setting the metadata of domain "+d.Name, func() error {
		return c.rpc.DomainSetMetadata(handle(d), int32(golibvirt.DomainMetadataElement), metadata,
			golibvirt.OptString{key}, golibvirt.OptString{namespace}, golibvirt.DomainAffectLive)
	})
}

// redacted is libvirt's error about a document, without the document's secrets.
func redacted(err error, document []byte) error {
	var answer golibvirt.Error
	if !errors.As(err, &answer) {
		return err
	}
	answer.Message = domainxml.RedactMessage(answer.Message, document)
	return answer
}
