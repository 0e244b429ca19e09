package libvirt

import (
	"context"
	"errors"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"
)

// Hostname is the machine's name as libvirt has it (virConnectGetHostname).
func (c *Conn) Hostname(ctx context.Context) (name string, err error) {
	err = c.call(ctx, "asking for the host name", func() error {
		name, err = c.rpc.ConnectGetHostname()
		return err
	})
	return name, err
}

// Capabilities are those of libvirt and its machine (virConnectGetCapabilities).
func (c *Conn) Capabilities(ctx context.Context) (libvirtxml.Caps, error) {
	var xml string
	err := c.call(ctx, "asking for the capabilities", func() (err error) {
		xml, err = c.rpc.ConnectGetCapabilities()
		return err
	})
	if err != nil {
		return libvirtxml.Caps{}, err
	}
	var caps libvirtxml.Caps
	if err := caps.Unmarshal(xml); err != nil {
		return libvirtxml.Caps{}, fmt.Errorf("reading libvirt's capabilities: %w", err)
	}
	return caps, nil
}

// FilterXML returns the document of an nwfilter by its name, "" where there is none
// (virNWFilterLookupByName, virNWFilterGetXMLDesc).
func (c *Conn) FilterXML(ctx context.Context, name string) (document string, err error) {
	err = c.call(ctx, "looking up nwfilter "+name, func() error {
		filter, err := c.rpc.NwfilterLookupByName(name)
		if err != nil {
			return err
		}
		document, err = c.rpc.NwfilterGetXMLDesc(filter, 0)
		return err
	})
	var answer golibvirt.Error
	if errors.As(err, &answer) && answer.Code == uint32(golibvirt.ErrNoNwfilter) {
		return "", nil
	}
	return document, err
}

// DefineFilter defines an nwfilter (virNWFilterDefineXML).
func (c *Conn) DefineFilter(ctx context.Context, document string) error {
	return c.call(ctx, "defining an nwfilter", func() error {
		_, err := c.rpc.NwfilterDefineXML(document)
		return err
	})
}
