package domainxml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Result is the result of a rewrite.
type Result struct {
	// Domain is the document's domain.
	Domain Domain
	// Rule is the one that decided. It is nil where none fits, the domain is not of
	// the QEMU driver, or it is reverted.
	Rule *Rule
	// Reverted says that the domain is marked: no rule applies to it.
	Reverted bool
	// Once is the mark of virt-netboot once.
	Once Once
	// Observed says that the policy only observes: Output is the input, and Changes are
	// what would change.
	Observed bool
	// Output is the document with the changes: the input itself, not a copy,
	// when there are none.
	Output []byte
	// Start is how the guest starts from Output.
	Start Start
	// Updates are the interfaces that differ in Output, of a guest that is Running.
	Updates []InterfaceUpdate
	// Record is the undo record of a guest that is Running, in the form that
	// virDomainSetMetadata takes with [RecordNamespace] and [RecordKey]: "" for none.
	// It is nil where it has not changed.
	Record *string
	// Changes are in the order of the document.
	Changes []Change
	// Warnings are what still keeps the guest from booting from the network.
	Warnings []Warning
}

// Changed reports whether Output differs from the input.
func (r Result) Changed() bool { return len(r.Changes) > 0 && !r.Observed }

// InterfaceUpdate is the new form of a running guest's interface, for
// virDomainUpdateDeviceFlags. Only the filterref differs: libvirt refuses most other
// changes while a guest runs.
type InterfaceUpdate struct {
	Interface string // as in Change
	XML       string // the <interface>
}

// ChangeKind is the kind of a change.
type ChangeKind string

// The changes a rule can make.
const (
	ChangeBootOrder         ChangeKind = "boot-order"
	ChangeFilterrefRemoved  ChangeKind = "filterref-removed"
	ChangeFilterrefReplaced ChangeKind = "filterref-replaced"
	ChangeKernelDropped     ChangeKind = "kernel-dropped"
	ChangeCmdlineRemoved    ChangeKind = "cmdline-removed"
	ChangeRNGAdded          ChangeKind = "rng-added"
	// ChangeBootOrderFreed: libvirt would refuse a client's boot order beside what
	// earlier rewrites have written, which is taken out.
	ChangeBootOrderFreed ChangeKind = "boot-order-freed"
)

// The changes that go with [Once] and [OnlyIf].
const (
	ChangeOnce ChangeKind = "once" // the mark of virt-netboot once
	// ChangeBootOrderRestored: the boot order before an earlier rewrite is back.
	ChangeBootOrderRestored ChangeKind = "boot-order-restored"
)

// The changes of Revert and Apply.
const (
	ChangeFilterrefRestored ChangeKind = "filterref-restored"
	ChangeKernelRestored    ChangeKind = "kernel-restored"
	ChangeCmdlineRestored   ChangeKind = "cmdline-restored"
	ChangeRNGRemoved        ChangeKind = "rng-removed"
	ChangeMarkedReverted    ChangeKind = "marked-reverted"
	ChangeRecordRemoved     ChangeKind = "record-removed"
	// ChangeRecordCompleted: the undo record names its domain and devices.
	ChangeRecordCompleted ChangeKind = "record-completed"
	// ChangeMarkRemoved: the mark goes, and the rules apply again.
	ChangeMarkRemoved ChangeKind = "mark-removed"
)

// What Revert does not put back, since a client has set it or the device is gone: From
// is what was there before the rewrite, To what is there now.
const (
	ChangeBootOrderNotRestored ChangeKind = "boot-order-not-restored"
	ChangeFilterrefNotRestored ChangeKind = "filterref-not-restored"
	ChangeKernelNotRestored    ChangeKind = "kernel-not-restored"
	ChangeCmdlineNotRestored   ChangeKind = "cmdline-not-restored"
)

// Change is one thing that a rule changed in a document.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Interface is the MAC address of the interface, or "#1" for the first when
	// it has none yet; empty for changes of the boot order and the kernel.
	Interface string `json:"interface,omitempty"`
	// From and To are the values before and after: boot devices in order
	// ("hd" to "network, hd"), devices with their order ("vda" to
	// "fa:16:3e:50:43:cd, vda"), names of nwfilters, a kernel's path, a command
	// line, a Once. To is empty where something was removed.
	From string `json:"from"`
	To   string `json:"to"`
}

// MarshalJSON adds the text for a person.
func (c Change) MarshalJSON() ([]byte, error) {
	type fields Change
	return marshal(struct {
		fields
		Text string `json:"text"`
	}{fields(c), c.String()})
}

// String is the change as text for a person.
func (c Change) String() string {
	switch c.Kind {
	case ChangeBootOrder, ChangeBootOrderRestored:
		if c.From == c.To {
			return fmt.Sprintf("boot order %s numbered as before", c.To)
		}
		return fmt.Sprintf("boot order %s instead of %s", c.To, c.From)
	case ChangeBootOrderFreed:
		return fmt.Sprintf("boot order %s as a client has set it, without what virt-netboot wrote for %s", c.To, c.From)
	case ChangeFilterrefRemoved:
		return fmt.Sprintf("filterref %s removed from interface %s", c.From, c.Interface)
	case ChangeFilterrefReplaced:
		return fmt.Sprintf("filterref %s instead of %s on interface %s", c.To, c.From, c.Interface)
	case ChangeRNGAdded:
		return "random number generator (<rng>) added, without which UEFI firmware may not try the network"
	case ChangeRNGRemoved:
		return "the added random number generator (<rng>) removed"
	case ChangeKernelDropped:
		return fmt.Sprintf("kernel %s removed", c.From)
	case ChangeCmdlineRemoved:
		return fmt.Sprintf("kernel command line %q removed, so that iPXE reads its script", c.From)
	case ChangeBootOrderNotRestored:
		return fmt.Sprintf("boot order %s stays, as a client has set it since; before virt-netboot it was %s", c.To, c.From)
	case ChangeFilterrefNotRestored:
		if c.To == "" {
			return fmt.Sprintf("filterref %s not put back on interface %s, which the domain does not have any more", c.From, c.Interface)
		}
		return fmt.Sprintf("filterref %s not put back on interface %s, as a client has set %s since", c.From, c.Interface, c.To)
	case ChangeKernelNotRestored:
		if c.To == "" {
			return fmt.Sprintf("kernel %s not put back, as a client has given <os> an initrd or a command line since", c.From)
		}
		return fmt.Sprintf("kernel %s not put back, as a client has set %s since", c.From, c.To)
	case ChangeCmdlineNotRestored:
		if c.To == "" {
			return fmt.Sprintf("kernel command line %q not put back, as its kernel is gone", c.From)
		}
		return fmt.Sprintf("kernel command line %q not put back, as a client has set %q since", c.From, c.To)
	case ChangeFilterrefRestored:
		return fmt.Sprintf("filterref put back on interface %s", c.Interface)
	case ChangeKernelRestored:
		return "kernel put back"
	case ChangeCmdlineRestored:
		return "kernel command line put back"
	case ChangeMarkedReverted:
		return "marked as reverted: no rule applies until it is applied again"
	case ChangeOnce:
		return onceText(Once(c.To))
	case ChangeRecordCompleted:
		return "the undo record has the UUID of the domain and the names of its devices"
	case ChangeMarkRemoved:
		return "not marked as reverted any more"
	case ChangeRecordRemoved:
		return "virt-netboot's element removed from the metadata"
	}
	return string(c.Kind)
}

func onceText(now Once) string {
	switch now {
	case OncePending:
		return "marked: the network first at its next start only"
	case OnceDone:
		return "it has started from the network once; from now on its boot order is the one without virt-netboot"
	}
	return "its mark of virt-netboot once is removed"
}

// WarningKind is why a guest will not boot from the network, or may find nothing to
// boot there.
type WarningKind string

// The warnings a rewrite can give.
const (
	// WarningKernel: libvirt boots a kernel directly and ignores the boot order.
	WarningKernel WarningKind = "kernel"
	// WarningNoInterface: the domain has no network interface.
	WarningNoInterface WarningKind = "no-interface"
	// WarningNoBootNIC: it has interfaces, but none that the rule's boot_nic fits.
	WarningNoBootNIC WarningKind = "no-boot-nic"
	// WarningROMOff: the option ROM of the interface that would boot is off, and
	// iPXE is in that ROM.
	WarningROMOff WarningKind = "option-rom-off"
	// WarningDiskUnread: the rule's only_if needs the root disk, which cannot be read;
	// the network stays first.
	WarningDiskUnread WarningKind = "disk-unread"
	// WarningClientBoot: a client has set another boot order since a rewrite; it stays.
	WarningClientBoot WarningKind = "client-boot-order"
	// WarningBootIndex: the guest would not start with the network first, or not find its
	// disk; its boot order stays.
	WarningBootIndex WarningKind = "boot-index"
	// WarningNoFallback: its firmware would not try the disk behind the network; its boot
	// order stays.
	WarningNoFallback WarningKind = "no-fallback"
	// WarningFirmwareClient: the firmware of its architecture asks by a client of its own,
	// not as iPXE.
	WarningFirmwareClient WarningKind = "firmware-client"
	// WarningNoRNG: UEFI firmware without random numbers may leave the network out.
	WarningNoRNG WarningKind = "no-rng"
	// WarningPassedOver: an interface cannot try the network; one behind it does.
	WarningPassedOver WarningKind = "interface-passed-over"
	// WarningNetworkBehind: the domain's own boot order has the network behind something
	// else. With the network first, an installer may run again at each start.
	WarningNetworkBehind WarningKind = "network-behind"
	// WarningOwnDevice: it was made to boot from a rescue disk or a CD-ROM; its boot order
	// stays. It is in sync with that.
	WarningOwnDevice WarningKind = "own-device"
	// WarningFilterLeft: a revert leaves a filterref off with which the guest could not
	// start.
	WarningFilterLeft WarningKind = "filter-left"
	// WarningNoRecord: a revert of a domain that boots from the network finds no undo
	// record.
	WarningNoRecord WarningKind = "no-record"
	// WarningFilterMissing: libvirt lacks the nwfilter that the rule wants; the
	// interface keeps the one that it has.
	WarningFilterMissing WarningKind = "filter-missing"
	// WarningFilterUnknown: libvirt has not said yet whether it has that nwfilter.
	WarningFilterUnknown WarningKind = "filter-unknown"
	// WarningFilterVariable: the interface lacks variables that the nwfilter needs.
	WarningFilterVariable WarningKind = "filter-variable"
)

// WarningKinds are all kinds of warnings.
func WarningKinds() []WarningKind {
	return []WarningKind{WarningKernel, WarningNoInterface, WarningNoBootNIC, WarningROMOff, WarningDiskUnread, WarningClientBoot, WarningBootIndex, WarningNoFallback, WarningFirmwareClient, WarningNoRNG, WarningPassedOver, WarningNetworkBehind, WarningOwnDevice, WarningFilterLeft, WarningNoRecord, WarningFilterMissing, WarningFilterUnknown, WarningFilterVariable}
}

// Warning is one reason why a guest will not boot from the network although
// its rule wants it to.
type Warning struct {
	Kind WarningKind `json:"kind"`
	// Interface is as in Change, for WarningROMOff and those about an nwfilter.
	Interface string `json:"interface,omitempty"`
	// Filter is the nwfilter that the rule wants, for those about one.
	Filter string `json:"filter,omitempty"`
	// Variables are those that the interface lacks, for WarningFilterVariable.
	Variables []string `json:"variables,omitempty"`
	// Kernel and Initrd are paths, for WarningKernel.
	Kernel string `json:"kernel,omitempty"`
	Initrd string `json:"initrd,omitempty"`
	// Disk is the target device, such as vda, and Reason why it cannot be read, for
	// WarningDiskUnread. For WarningOwnDevice they are what it boots from. Reason is also
	// that of WarningBootIndex and WarningNoFallback and WarningPassedOver, and what the
	// firmware sends for WarningFirmwareClient.
	Disk   string `json:"disk,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Arch is the guest's, for WarningFirmwareClient.
	Arch string `json:"arch,omitempty"`
	// CPU is the guest's CPU model, for WarningNoRNG.
	CPU string `json:"cpu,omitempty"`
	// BootOrder is the boot order that stays, for WarningClientBoot, and the domain's own
	// for WarningNetworkBehind and WarningNoRecord.
	BootOrder string `json:"boot_order,omitempty"`
}

// Stops reports whether the guest does not boot from the network for that reason, or not
// as its rule wants it. The other warnings are of what may happen.
func (w Warning) Stops() bool {
	switch w.Kind {
	case WarningNetworkBehind, WarningPassedOver, WarningDiskUnread, WarningFirmwareClient, WarningNoRNG, WarningFilterLeft, WarningNoRecord:
		return false
	}
	return true
}

// MarshalJSON adds the text for a person.
func (w Warning) MarshalJSON() ([]byte, error) {
	type fields Warning
	return marshal(struct {
		fields
		Text string `json:"text"`
	}{fields(w), w.String()})
}

// String is the warning as text for a person.
func (w Warning) String() string {
	switch w.Kind {
	case WarningKernel:
		with := ""
		if w.Initrd != "" {
			with = " with initrd " + w.Initrd
		}
		return fmt.Sprintf("boots kernel %s%s directly: the boot order is ignored and iPXE never runs; set kernel: drop in its rule to boot it from the network", w.Kernel, with)
	case WarningNoInterface:
		return "has no network interface to boot from"
	case WarningNoBootNIC:
		return "has no network interface that boot_nic of its rule fits; its boot order stays"
	case WarningDiskUnread:
		return fmt.Sprintf("tries the network first although its disk %s may have an operating system: the disk cannot be read (only_if: blank-disk): %s", w.Disk, w.Reason)
	case WarningClientBoot:
		return fmt.Sprintf("keeps the boot order %s, which a client has set since virt-netboot changed it; virt-netboot apply puts the network first again", w.BootOrder)
	case WarningBootIndex:
		return w.Reason + "; its boot order stays"
	case WarningFirmwareClient:
		return fmt.Sprintf("boots from the network by the client of its firmware (%s), not by iPXE: it sends the DHCP server no user class, %s", w.Arch, w.Reason)
	case WarningNoRNG:
		return fmt.Sprintf("has UEFI firmware without random numbers: no <rng>, and a CPU (%s) without RDRAND; firmware from 2024 on leaves the network out then; set rng: add in its rule", w.CPU)
	case WarningPassedOver:
		return fmt.Sprintf("interface %s %s, so another one tries the network", w.Interface, w.Reason)
	case WarningNetworkBehind:
		return fmt.Sprintf("has the boot order %s of its own: with the network first, an installed guest is installed again wherever the server offers that; only_if: blank-disk or boot: network-if-missing in its rule leaves it to its disk", w.BootOrder)
	case WarningOwnDevice:
		return fmt.Sprintf("boots from %s, %s; its boot order stays (boot: network-always in its rule puts the network first)", w.Disk, w.Reason)
	case WarningFilterLeft:
		return w.filterLeft()
	case WarningNoRecord:
		return fmt.Sprintf("has no undo record: its boot order %s, its kernel and its filterrefs stay, although virt-netboot may have changed them", w.BootOrder)
	case WarningNoFallback:
		return fmt.Sprintf("keeps its boot order, as %s halts where no DHCP server answers and never tries the disk (before QEMU 9.2)", w.Reason)
	case WarningFilterMissing:
		return fmt.Sprintf("interface %s keeps its filterref, as libvirt has no nwfilter %s, with which it could not start; define one of that name with virsh nwfilter-define", w.Interface, w.Filter)
	case WarningFilterUnknown:
		return fmt.Sprintf("interface %s keeps its filterref until libvirt has said whether it has the nwfilter %s", w.Interface, w.Filter)
	case WarningFilterVariable:
		return fmt.Sprintf("interface %s keeps its filterref, as the nwfilter %s needs %s, with which it could not start; name another in its rule, or give it a <parameter> of that name",
			w.Interface, w.Filter, strings.Join(w.Variables, " and "))
	case WarningROMOff:
		return fmt.Sprintf("interface %s has its option ROM off (<rom>), where iPXE is; it cannot boot from the network", w.Interface)
	}
	return string(w.Kind)
}

func (w Warning) filterLeft() string {
	reason, remedy := "libvirt has no nwfilter of that name", "bring it back with virsh nwfilter-define FILE"
	if len(w.Variables) > 0 {
		reason, remedy = "it needs "+strings.Join(w.Variables, " and "), "define the earlier one with virsh nwfilter-define FILE"
	}
	return fmt.Sprintf("filterref %s is not put back on interface %s: %s, and the guest could not start; %s, then run virt-netboot revert again",
		w.Filter, w.Interface, reason, remedy)
}

// marshal does not escape < and >, so that a person can read the text.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
