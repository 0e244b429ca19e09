package domainxml

import (
	"fmt"
	"slices"
	"strings"
)

// DeviceRecord returns what [Record] would if the domain's record also had the
// filterref of a device that [Rewriter.Device] has rewritten. device is the
// device as it was before; domain is the domain's document once libvirt has it.
func DeviceRecord(device, domain []byte) (record string, err error) {
	defer errorOnPanic(&err)
	parsed, err := parse(device)
	if err != nil {
		return "", fmt.Errorf("device: %w", err)
	}
	owner, err := parseDomain(domain)
	if err != nil {
		return "", fmt.Errorf("domain of the device: %w", err)
	}
	nic, err := owner.plugged(parsed.deviceName(parsed.root))
	if err != nil {
		return "", err
	}
	el, kept := owner.recordOf()
	var taken []filterrefRecord
	for _, ref := range parsed.root.all("filterref") {
		to := owner.attr(nic.child("filterref"), "filter")
		taken = append(taken, filterrefRecord{owner.deviceID(nic), parsed.source(ref), to})
	}
	kept.filterrefs = owner.keepFilterrefs(kept.filterrefs, taken)
	e := &edits{src: domain}
	e.writeRecord(owner, el, kept)
	return Record(e.apply())
}

// plugged is the interface that came last with a MAC address. libvirt makes one
// up where the client gives none, and puts a new interface behind the others
// (virDomainNetInsert in src/conf/domain_conf.c).
func (d *document) plugged(mac string) (*element, error) {
	nics := d.root.child("devices").all("interface")
	for _, nic := range slices.Backward(nics) {
		if mac == "" || strings.EqualFold(d.deviceName(nic), mac) {
			return nic, nil
		}
	}
	if mac == "" {
		return nil, fmt.Errorf("the domain has no interface")
	}
	return nil, fmt.Errorf("the domain has no interface %s", mac)
}
