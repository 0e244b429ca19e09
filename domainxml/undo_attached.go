package domainxml

import (
	"fmt"
	"slices"
	"strings"
)

// DeviceRecord returns the undo record of a domain, in the form that
// virDomainSetMetadata takes, with the filterref of a device that [Rewriter.Device]
// has rewritten. device is the device as it was before; domain is the domain's
// document once libvirt has it.
func DeviceRecord(device, domain []byte) (record string, err error) {
	defer errorOnPanic(&err)
	parsed, err := parse(device)
	if err != nil {
		return "", fmt.Errorf("device: %w", err)
	}
	owner, err := Parse(domain)
	if err != nil {
		return "", fmt.Errorf("domain of the device: %w", err)
	}
	nic, err := owner.attached(parsed.deviceName(parsed.Root))
	if err != nil {
		return "", err
	}
	client := view{doc: parsed}
	item := undoItem{thing: undoFilterref, device: owner.doc.deviceID(nic), element: nic}
	item.wrote = owner.now(item)
	item.was = client.pieces(parsed.Root.All("filterref"))
	return owner.withAttached(item).metadataForm(), nil
}

// withAttached is the record with the item of a device that a client has attached or
// updated. Where the client's device had what an earlier rewrite wrote, a revert puts
// back what was there before that one.
func (d *Document) withAttached(item undoItem) undoRecord {
	u := d.undo
	u.uuid = libvirtUUID(d.domain.UUID)
	u.newMetadata = u.newMetadata || d.doc.Root.Child("metadata") == nil
	old := u.of(item.group())
	if len(old) == 1 && undoFilterref.same(item.was, old[0].wrote) {
		item.was = old[0].was
	}
	u.items = append(u.without(item.group()), item)
	return u
}

// attached is the last interface with a MAC address, or the last of all for "". libvirt
// makes up an address where the client gives none, and puts a new interface behind the
// others (virDomainNetInsert in src/conf/domain_conf.c).
func (d *Document) attached(mac string) (*element, error) {
	for _, n := range slices.Backward(d.interfaces) {
		if mac == "" || strings.EqualFold(d.doc.deviceName(n.element), mac) {
			return n.element, nil
		}
	}
	if mac == "" {
		return nil, fmt.Errorf("the domain has no interface")
	}
	return nil, fmt.Errorf("the domain has no interface %s", mac)
}
