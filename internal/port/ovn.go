package port

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/virt-netboot/virt-netboot/internal/bootfile"
)

// Offer is what OVN's DHCP offers to a port. ovn-controller answers a request with what
// stands in the flow that sent it there (OVN's controller/pinctrl.c,
// pinctrl_handle_put_dhcp_opts).
type Offer struct {
	Address netip.Addr `json:"address"`
	// BootFile is iPXE's (of clients that send option 175), and OtherBootFile that of all
	// other clients: a URL, or a file on the TFTP server NextServer. They are empty where
	// OVN names none. With two of them, and iPXE's the longer one, OVN 23.03 forgets to
	// tell iPXE the TFTP server.
	BootFile      string     `json:"boot_file,omitempty"`
	OtherBootFile string     `json:"other_boot_file,omitempty"`
	NextServer    netip.Addr `json:"next_server,omitzero"`
}

// String is the offer, for a person.
func (o Offer) String() string {
	iPXE, others := bootfile.URL(o.BootFile, o.NextServer), bootfile.URL(o.OtherBootFile, o.NextServer)
	switch {
	case iPXE == "":
		return fmt.Sprintf("%s and no boot file", o.Address)
	case iPXE == others:
		return fmt.Sprintf("%s and the boot file %s", o.Address, iPXE)
	}
	return fmt.Sprintf("%s and the boot file %s to iPXE, %s to other clients", o.Address, iPXE, others)
}

// userdataOf is what a flow gives to its controller: bytes in hexadecimal, with dots.
var userdataOf = regexp.MustCompile(`\buserdata=([0-9a-f.]+)`)

const (
	putDHCPOpts = 2 // ACTION_OPCODE_PUT_DHCP_OPTS in OVN's include/ovn/actions.h
	// An action has a header of eight bytes, the opcode first; this one then the register
	// for the result, the bit in it, and the address, in four bytes each. DHCP's options
	// follow (OVN's lib/actions.c, encode_PUT_DHCPV4_OPTS).
	addressAt, optionsAt = 16, 20
	// Two of the options have codes of OVN's own (lib/ovn-l7.h).
	nextServerCode, otherBootFileCode = 253, 254
)

// answers reports whether a frame that was traced is a DHCP request that a controller
// answers, and what OVN offers to it: nil where that cannot be read. What a flow sends to
// ovn-controller says what for, as an ACL's log entry. Neutron's OVS agent, which can
// answer DHCP too, says nothing.
func answers(trace string) (bool, *Offer) {
	all := userdataOf.FindAllStringSubmatch(trace, -1)
	if len(all) == 0 {
		return strings.Contains(trace, "userspace("), nil
	}
	for _, userdata := range all {
		b, err := hex.DecodeString(strings.ReplaceAll(userdata[1], ".", ""))
		if err == nil && len(b) >= 4 && binary.BigEndian.Uint32(b) == putDHCPOpts {
			return true, readOffer(b)
		}
	}
	return false, nil
}

func readOffer(b []byte) *Offer {
	options := dhcpv4.Options{}
	if len(b) < optionsAt || options.FromBytes(b[optionsAt:]) != nil {
		return nil
	}
	text := func(code uint8) string { return string(options.Get(dhcpv4.GenericOptionCode(code))) }
	o := Offer{
		Address:       netip.AddrFrom4([4]byte(b[addressAt:optionsAt])),
		BootFile:      text(dhcpv4.OptionBootfileName.Code()),
		OtherBootFile: text(otherBootFileCode),
		NextServer:    bootfile.Address(options.Get(dhcpv4.GenericOptionCode(nextServerCode))),
	}
	// One of them alone is for all clients.
	o.BootFile, o.OtherBootFile = cmp.Or(o.BootFile, o.OtherBootFile), cmp.Or(o.OtherBootFile, o.BootFile)
	return &o
}
