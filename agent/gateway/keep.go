package gateway

import (
	"fmt"
	"slices"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// keep is what was taken from a device on its way to libvirt. Once libvirt has the
// device, it goes into the metadata of the domain, where `virt-netboot revert`
// finds it; only then the client gets libvirt's reply. If that fails, it is logged
// and the client has its device all the same.
type keep struct {
	head   rpc.Header
	domain []byte // as in rpc.XMLCall
	device []byte // as the client wrote it
	result domainxml.Result
	todo   []place

	reply    rpc.Message // to the client
	deadline time.Time
}

// place is one of the documents that libvirt has of a domain.
type place struct {
	read  uint32 // virDomainXMLFlags
	write uint32 // virDomainModificationImpact
}

// newKeep returns nil for a call without a device, and for a device that loses
// nothing.
func newKeep(call rpc.XMLCall, res domainxml.Result) *keep {
	if !call.Proc.CarriesDevice() || !slices.ContainsFunc(res.Changes, ofFilter) {
		return nil
	}
	return &keep{
		head: call.Header, domain: call.Domain, device: call.XML, result: res,
		todo: places(call.Proc, call.Flags()),
	}
}

func ofFilter(c domainxml.Change) bool {
	return c.Kind == domainxml.ChangeFilterrefRemoved || c.Kind == domainxml.ChangeFilterrefReplaced
}

// places are the documents that get the device of a call.
func places(proc rpc.Procedure, flags uint32) []place {
	const current, live, config = 0, 1, 2 // VIR_DOMAIN_AFFECT_*
	const inactive = 2                    // VIR_DOMAIN_XML_INACTIVE
	if proc == rpc.ProcDomainAttachDevice {
		flags = live // qemuDomainAttachDevice in src/qemu/qemu_driver.c
	}
	var all []place
	if flags&live != 0 {
		all = append(all, place{write: live})
	}
	if flags&config != 0 {
		all = append(all, place{read: inactive, write: config})
	}
	if all == nil {
		return []place{{write: current}}
	}
	return all
}

// startKeep begins once libvirt has the device, or once what came before is kept:
// two that read a domain at once would lose what the other writes.
func (c *conn) startKeep(k *keep, reply rpc.Message) {
	k.reply = reply
	c.keeping = append(c.keeping, k)
	if len(c.keeping) == 1 {
		c.nextKeep()
	}
}

func (c *conn) nextKeep() {
	k := c.keeping[0]
	k.deadline = time.Now().Add(ownTimeout)
	c.readForKeep(k)
}

// readForKeep asks for the domain as it is with the device: with the record that
// it has by now, and the MAC address that libvirt gave the device.
func (c *conn) readForKeep(k *keep) {
	if len(k.todo) == 0 {
		c.endKeep(nil)
		return
	}
	c.ask(k.head, rpc.ProcDomainGetXMLDesc, rpc.GetXMLDesc(k.domain, k.todo[0].read), func(m rpc.Message, err error) {
		if !c.isKeeping(k) {
			return
		}
		if err := c.writeKeep(k, m, err); err != nil {
			c.endKeep(fmt.Errorf("asking libvirt for the domain: %w", err))
		}
	})
}

func (c *conn) writeKeep(k *keep, m rpc.Message, err error) error {
	if err != nil {
		return err
	}
	domain, err := rpc.ParseXMLDesc(m)
	if err != nil {
		return err
	}
	record, err := domainxml.DeviceRecord(k.device, domain)
	if err != nil {
		return err
	}
	args := rpc.SetMetadata(k.domain, record, domainxml.RecordKey, domainxml.RecordNamespace, k.todo[0].write)
	c.ask(k.head, rpc.ProcDomainSetMetadata, args, func(m rpc.Message, err error) {
		if !c.isKeeping(k) {
			return
		}
		if err == nil {
			err = refusal(m)
		}
		if err != nil {
			c.endKeep(fmt.Errorf("setting the domain's metadata: %w", err))
			return
		}
		k.todo = k.todo[1:]
		c.readForKeep(k)
	})
	return nil
}

// isKeeping reports whether k is under way: it is not once its time is over.
func (c *conn) isKeeping(k *keep) bool { return len(c.keeping) > 0 && c.keeping[0] == k }

// endKeep gives the client its reply, and turns to the next.
func (c *conn) endKeep(err error) {
	k := c.keeping[0]
	c.keeping = c.keeping[1:]
	c.keeps--
	if err != nil {
		c.log.WithFields(callFields(k.head.Proc, k.result)).
			Warnf("virt-netboot revert will not put back what was taken from a device of domain %s (%s), as it is not kept in the domain's metadata: %v",
				k.result.Domain.Name, changes(k.result), err)
	}
	c.unanswered--
	c.replies.insert(k.reply)
	if len(c.keeping) > 0 {
		c.nextKeep()
	}
}
