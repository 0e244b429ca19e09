package rpc

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Program is a program number of libvirt's RPC.
type Program uint32

// The programs that libvirt's daemons serve on their unix sockets.
const (
	ProgramRemote    Program = 0x20008086 // src/remote/remote_protocol.x
	ProgramQEMU      Program = 0x20008087 // src/remote/qemu_protocol.x
	ProgramLXC       Program = 0x00068000 // src/remote/lxc_protocol.x
	ProgramAdmin     Program = 0x06900690 // src/admin/admin_protocol.x
	ProgramKeepAlive Program = 0x6b656570 // src/rpc/virkeepaliveprotocol.x
)

func (p Program) known() bool {
	return slices.Contains([]Program{ProgramRemote, ProgramQEMU, ProgramLXC, ProgramAdmin, ProgramKeepAlive}, p)
}

// Procedure is a procedure number of ProgramRemote (enum remote_procedure in
// src/remote/remote_protocol.x).
type Procedure int32

// The procedures that the gateway has to know.
const (
	ProcConnectOpen              Procedure = 1
	ProcDomainAttachDevice       Procedure = 8
	ProcDomainCreateXML          Procedure = 10
	ProcDomainDefineXML          Procedure = 11
	ProcDomainGetXMLDesc         Procedure = 14
	ProcAuthSASLInit             Procedure = 67
	ProcAuthPolkit               Procedure = 70
	ProcDomainAttachDeviceFlags  Procedure = 160
	ProcDomainDetachDeviceFlags  Procedure = 161
	ProcDomainUpdateDeviceFlags  Procedure = 174
	ProcDomainSetMetadata        Procedure = 264
	ProcDomainCreateXMLWithFiles Procedure = 309
	ProcDomainDefineXMLFlags     Procedure = 350
	ProcDomainDetachDeviceAlias  Procedure = 392
)

// String is libvirt's name without its REMOTE_PROC_.
func (p Procedure) String() string {
	name, known := map[Procedure]string{
		ProcDomainAttachDevice:       "DOMAIN_ATTACH_DEVICE",
		ProcDomainCreateXML:          "DOMAIN_CREATE_XML",
		ProcDomainDefineXML:          "DOMAIN_DEFINE_XML",
		ProcDomainGetXMLDesc:         "DOMAIN_GET_XML_DESC",
		ProcAuthSASLInit:             "AUTH_SASL_INIT",
		ProcAuthPolkit:               "AUTH_POLKIT",
		ProcDomainAttachDeviceFlags:  "DOMAIN_ATTACH_DEVICE_FLAGS",
		ProcDomainDetachDeviceFlags:  "DOMAIN_DETACH_DEVICE_FLAGS",
		ProcDomainUpdateDeviceFlags:  "DOMAIN_UPDATE_DEVICE_FLAGS",
		ProcDomainSetMetadata:        "DOMAIN_SET_METADATA",
		ProcDomainCreateXMLWithFiles: "DOMAIN_CREATE_XML_WITH_FILES",
		ProcDomainDefineXMLFlags:     "DOMAIN_DEFINE_XML_FLAGS",
		ProcDomainDetachDeviceAlias:  "DOMAIN_DETACH_DEVICE_ALIAS",
	}[p]
	if !known {
		return fmt.Sprint(int32(p))
	}
	return name
}

// DomainProcedures are those whose first argument is a domain document.
func DomainProcedures() []Procedure {
	return []Procedure{ProcDomainCreateXML, ProcDomainDefineXML, ProcDomainCreateXMLWithFiles, ProcDomainDefineXMLFlags}
}

// DeviceProcedures are those whose arguments are a domain and a device document.
func DeviceProcedures() []Procedure {
	return []Procedure{ProcDomainAttachDevice, ProcDomainAttachDeviceFlags, ProcDomainUpdateDeviceFlags}
}

// CarriesDomain reports whether it is one of DomainProcedures.
func (p Procedure) CarriesDomain() bool { return slices.Contains(DomainProcedures(), p) }

// CarriesDevice reports whether it is one of DeviceProcedures.
func (p Procedure) CarriesDevice() bool { return slices.Contains(DeviceProcedures(), p) }

// DetachesDevice reports whether its arguments are a domain, a string that names one of
// its devices, and flags.
func (p Procedure) DetachesDevice() bool {
	return p == ProcDomainDetachDeviceFlags || p == ProcDomainDetachDeviceAlias
}

// Type is libvirt's enum virNetMessageType.
type Type uint32

// The types of a message: VIR_NET_CALL and so on.
const (
	TypeCall         Type = 0
	TypeReply        Type = 1
	TypeMessage      Type = 2
	TypeStream       Type = 3
	TypeCallWithFDs  Type = 4
	TypeReplyWithFDs Type = 5
	TypeStreamHole   Type = 6
)

// IsCall reports whether it is a call, with or without descriptors.
func (t Type) IsCall() bool { return t == TypeCall || t == TypeCallWithFDs }

// IsReply reports whether it is a reply, with or without descriptors.
func (t Type) IsReply() bool { return t == TypeReply || t == TypeReplyWithFDs }

// IsStream reports whether it belongs to a stream, such as a volume's upload.
func (t Type) IsStream() bool { return t == TypeStream || t == TypeStreamHole }

func (t Type) hasFDs() bool { return t == TypeCallWithFDs || t == TypeReplyWithFDs }

// Status is libvirt's enum virNetMessageStatus.
type Status uint32

// The states of a message: VIR_NET_OK and so on.
const (
	StatusOK       Status = 0
	StatusError    Status = 1
	StatusContinue Status = 2
)

// ErrorCode is libvirt's enum virErrorNumber (include/libvirt/virterror.h).
type ErrorCode uint32

// The errors that the gateway has to know.
const (
	ErrAccessDenied    ErrorCode = 88 // the client lacks the right (access_drivers in libvirtd.conf)
	ErrAuthUnavailable ErrorCode = 94 // polkit wants a password and has no agent to ask for it
)

// The limits of src/rpc/virnetprotocol.x, in bytes.
const (
	lengthSize = 4                     // VIR_NET_MESSAGE_LEN_MAX
	HeaderSize = lengthSize + 24       // and VIR_NET_MESSAGE_HEADER_MAX
	MaxLength  = lengthSize + 33554432 // and VIR_NET_MESSAGE_MAX
	MaxString  = 4194304               // VIR_NET_MESSAGE_STRING_MAX
	maxFDs     = 32                    // VIR_NET_MESSAGE_NUM_FDS_MAX, descriptors
	nfdsSize   = 4
)

// Header is libvirt's virNetMessageHeader with the length before it, which
// counts itself.
type Header struct {
	Length int
	Prog   Program
	Vers   uint32
	Proc   Procedure
	Type   Type
	Serial uint32
	Status Status
}

// ParseHeader reads the first HeaderSize bytes of b.
func ParseHeader(b []byte) Header {
	u := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	return Header{
		Length: int(u(0)),
		Prog:   Program(u(1)),
		Vers:   u(2),
		Proc:   Procedure(u(3)),
		Type:   Type(u(4)),
		Serial: u(5),
		Status: Status(u(6)),
	}
}

func (h Header) append(b []byte) []byte {
	for _, v := range [...]uint32{
		uint32(h.Length), uint32(h.Prog), h.Vers, uint32(h.Proc), uint32(h.Type), h.Serial, uint32(h.Status),
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}
