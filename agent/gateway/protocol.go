package gateway

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
	switch p {
	case ProgramRemote, ProgramQEMU, ProgramLXC, ProgramAdmin, ProgramKeepAlive:
		return true
	}
	return false
}

// Procedure is a procedure number of ProgramRemote (enum remote_procedure in
// src/remote/remote_protocol.x).
type Procedure int32

// The procedures that the gateway has to know.
const (
	ProcDomainAttachDevice       Procedure = 8
	ProcDomainCreateXML          Procedure = 10
	ProcDomainDefineXML          Procedure = 11
	ProcDomainGetXMLDesc         Procedure = 14
	ProcAuthSASLInit             Procedure = 67
	ProcAuthPolkit               Procedure = 70
	ProcDomainAttachDeviceFlags  Procedure = 160
	ProcDomainUpdateDeviceFlags  Procedure = 174
	ProcDomainSetMetadata        Procedure = 264
	ProcDomainCreateXMLWithFiles Procedure = 309
	ProcDomainDefineXMLFlags     Procedure = 350
)

// String is libvirt's name without its REMOTE_PROC_.
func (p Procedure) String() string {
	switch p {
	case ProcDomainAttachDevice:
		return "DOMAIN_ATTACH_DEVICE"
	case ProcDomainCreateXML:
		return "DOMAIN_CREATE_XML"
	case ProcDomainDefineXML:
		return "DOMAIN_DEFINE_XML"
	case ProcDomainGetXMLDesc:
		return "DOMAIN_GET_XML_DESC"
	case ProcAuthSASLInit:
		return "AUTH_SASL_INIT"
	case ProcAuthPolkit:
		return "AUTH_POLKIT"
	case ProcDomainAttachDeviceFlags:
		return "DOMAIN_ATTACH_DEVICE_FLAGS"
	case ProcDomainUpdateDeviceFlags:
		return "DOMAIN_UPDATE_DEVICE_FLAGS"
	case ProcDomainSetMetadata:
		return "DOMAIN_SET_METADATA"
	case ProcDomainCreateXMLWithFiles:
		return "DOMAIN_CREATE_XML_WITH_FILES"
	case ProcDomainDefineXMLFlags:
		return "DOMAIN_DEFINE_XML_FLAGS"
	}
	return fmt.Sprint(int32(p))
}

// domainProcedures are those whose first argument is a domain document.
func domainProcedures() []Procedure {
	return []Procedure{ProcDomainCreateXML, ProcDomainDefineXML, ProcDomainCreateXMLWithFiles, ProcDomainDefineXMLFlags}
}

// deviceProcedures are those whose arguments are a domain and a device document.
func deviceProcedures() []Procedure {
	return []Procedure{ProcDomainAttachDevice, ProcDomainAttachDeviceFlags, ProcDomainUpdateDeviceFlags}
}

func (p Procedure) carriesDomain() bool { return slices.Contains(domainProcedures(), p) }
func (p Procedure) carriesDevice() bool { return slices.Contains(deviceProcedures(), p) }

// messageType is libvirt's enum virNetMessageType.
type messageType uint32

const (
	typeCall         messageType = 0
	typeReply        messageType = 1
	typeMessage      messageType = 2
	typeStream       messageType = 3
	typeCallWithFDs  messageType = 4
	typeReplyWithFDs messageType = 5
	typeStreamHole   messageType = 6
)

func (t messageType) isCall() bool   { return t == typeCall || t == typeCallWithFDs }
func (t messageType) isReply() bool  { return t == typeReply || t == typeReplyWithFDs }
func (t messageType) isStream() bool { return t == typeStream || t == typeStreamHole }
func (t messageType) hasFDs() bool   { return t == typeCallWithFDs || t == typeReplyWithFDs }

// messageStatus is libvirt's enum virNetMessageStatus.
type messageStatus uint32

const (
	statusOK       messageStatus = 0
	statusError    messageStatus = 1
	statusContinue messageStatus = 2
)

// errorCode is libvirt's enum virErrorNumber (include/libvirt/virterror.h).
type errorCode uint32

// The errors that the gateway has to know.
const (
	errAccessDenied    errorCode = 88 // the client lacks the right (access_drivers in libvirtd.conf)
	errAuthUnavailable errorCode = 94 // polkit wants a password and finds nobody to ask for it
)

// The limits of src/rpc/virnetprotocol.x.
const (
	lengthSize = 4                     // VIR_NET_MESSAGE_LEN_MAX
	headerSize = lengthSize + 24       // and VIR_NET_MESSAGE_HEADER_MAX
	maxLength  = lengthSize + 33554432 // and VIR_NET_MESSAGE_MAX
	maxString  = 4194304               // VIR_NET_MESSAGE_STRING_MAX
	maxFDs     = 32                    // VIR_NET_MESSAGE_NUM_FDS_MAX
	nfdsSize   = 4
)

// header is libvirt's virNetMessageHeader with the length before it, which
// counts itself.
type header struct {
	length int
	prog   Program
	vers   uint32
	proc   Procedure
	typ    messageType
	serial uint32
	status messageStatus
}

// parseHeader reads the first headerSize bytes of b.
func parseHeader(b []byte) header {
	u := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	return header{
		length: int(u(0)),
		prog:   Program(u(1)),
		vers:   u(2),
		proc:   Procedure(u(3)),
		typ:    messageType(u(4)),
		serial: u(5),
		status: messageStatus(u(6)),
	}
}

func (h header) append(b []byte) []byte {
	for _, v := range [...]uint32{
		uint32(h.length), uint32(h.prog), h.vers, uint32(h.proc), uint32(h.typ), h.serial, uint32(h.status),
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}
