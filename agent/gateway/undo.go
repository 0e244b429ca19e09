package gateway

import (
	"fmt"
	"slices"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// document is one of the two that libvirt has of a domain: of the running guest, or of
// the definition.
type document struct {
	read  uint32 // virDomainXMLFlags
	write uint32 // virDomainModificationImpact
}

// documents are those that get the device of a call.
func documents(proc rpc.Procedure, flags uint32) []document {
	live := document{write: uint32(golibvirt.DomainAffectLive)}
	config := document{read: uint32(golibvirt.DomainXMLInactive), write: uint32(golibvirt.DomainAffectConfig)}
	if proc == rpc.ProcDomainAttachDevice {
		flags = live.write // qemuDomainAttachDevice in src/qemu/qemu_driver.c
	}
	var all []document
	for _, d := range []document{live, config} {
		if flags&d.write != 0 {
			all = append(all, d)
		}
	}
	if all == nil {
		return []document{{write: uint32(golibvirt.DomainAffectCurrent)}}
	}
	return all
}

// undoDocuments are those that need an undo record: none for a domain, which has its
// own, and for a device that loses nothing.
func undoDocuments(call rpc.XMLCall, res domainxml.Result) []document {
	if !call.Proc.CarriesDevice() || !slices.ContainsFunc(res.Changes, ofFilter) {
		return nil
	}
	return documents(call.Proc, call.Flags())
}

func ofFilter(c domainxml.Change) bool {
	return c.Kind == domainxml.ChangeFilterrefRemoved || c.Kind == domainxml.ChangeFilterrefReplaced
}

// owesUndo reports whether an undo record is to be written, now or when libvirt has a
// device.
func (c *conn) owesUndo() bool {
	for _, p := range c.pending {
		if len(p.undo) > 0 {
			return true
		}
	}
	return len(c.saving) > 0
}

// saveUndo writes what a device has lost on its way to libvirt into the undo record of
// its domain, where virt-netboot revert finds it. The client gets libvirt's reply after
// that, even if it fails. It begins once what came before is saved: two that read a
// domain at once would lose what the other writes.
func (c *conn) saveUndo(p *pendingCall, reply rpc.Message) {
	p.state, p.reply = savingUndo, reply
	c.saving = append(c.saving, p)
	if len(c.saving) == 1 {
		c.startUndo()
	}
}

func (c *conn) startUndo() {
	p := c.saving[0]
	p.deadline = time.Now().Add(ownTimeout)
	c.readForUndo(p)
}

// readForUndo asks for the domain as it is with the device: with the undo record that
// it has by now, and the MAC address that libvirt gave the device.
func (c *conn) readForUndo(p *pendingCall) {
	c.ask(p, rpc.ProcDomainGetXMLDesc, rpc.GetXMLDesc(p.call.Domain, p.undo[0].read))
}

func (c *conn) writeUndo(p *pendingCall, domain []byte, err error) {
	var record string
	if err == nil {
		record, err = domainxml.DeviceRecord(p.call.XML, domain)
	}
	if err != nil {
		c.endUndo(p, fmt.Errorf("asking libvirt for the domain: %w", err))
		return
	}
	c.ask(p, rpc.ProcDomainSetMetadata,
		rpc.SetMetadata(p.call.Domain, record, domainxml.RecordKey, domainxml.RecordNamespace, p.undo[0].write))
}

func (c *conn) undoWritten(p *pendingCall, err error) {
	if err != nil {
		c.endUndo(p, fmt.Errorf("setting the domain's metadata: %w", err))
		return
	}
	if p.undo = p.undo[1:]; len(p.undo) > 0 {
		c.readForUndo(p)
		return
	}
	c.endUndo(p, nil)
}

// endUndo gives the client its reply, and turns to the next.
func (c *conn) endUndo(p *pendingCall, err error) {
	if err != nil {
		c.logUnsaved(p, err)
	}
	c.saving = c.saving[1:]
	c.finish(p, p.reply)
	if len(c.saving) > 0 {
		c.startUndo()
	}
}
