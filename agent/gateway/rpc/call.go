package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// MaxCall is the length of the longest call that is looked into: a document of
// libvirt's longest string, and as much as a domain's name may have in practice.
const MaxCall = MaxString + 64<<10

// XMLCall is a call with a domain or device document among its arguments.
type XMLCall struct {
	Message
	// Domain is the remote_nonnull_domain whose device it is about, as it came.
	Domain []byte
	// XML is the document, in Bytes[at:]. For DOMAIN_DETACH_DEVICE_ALIAS it is the
	// device's alias.
	XML []byte
	at  int
}

var errTruncated = errors.New("the arguments end too early")

// ParseCall finds the document in a call whose procedure carries one. The
// argument structs are those of src/remote/remote_protocol.x; all of them are
// [domain], document, [flags]. With an error the call has what was found before.
func ParseCall(m Message) (XMLCall, error) {
	c := XMLCall{Message: m}
	args := m.payload()
	if m.Proc.CarriesDevice() || m.Proc.DetachesDevice() {
		rest := args
		if err := skipDomain(&args); err != nil {
			return c, err
		}
		c.Domain = rest[:len(rest)-len(args)]
	}
	c.at = len(m.Bytes) - len(args) + 4
	xml, err := readString(&args)
	c.XML = xml
	return c, err
}

// WithXML is the call with another document and everything else as it was.
func (c XMLCall) WithXML(xml []byte) Message {
	b := make([]byte, 0, len(c.Bytes)-padded(len(c.XML))+padded(len(xml)))
	b = append(b, c.Bytes[:c.at-4]...)
	b = AppendString(b, xml)
	b = append(b, c.Bytes[c.end():]...)
	m := c.Message
	m.Bytes, m.Length = b, len(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return m
}

// Flags are those of the call for a device, 0 where it has none.
func (c XMLCall) Flags() uint32 {
	rest := cryptobyte.String(c.Bytes[c.end():])
	var flags uint32
	rest.ReadUint32(&flags)
	return flags
}

func (c XMLCall) end() int { return c.at + padded(len(c.XML)) }

// DomainName is the name of the domain that a device is for, "" where there is none.
func (c XMLCall) DomainName() string { return domainName(c.Domain) }

// DomainUUID is the UUID of that domain, in lower case, "" where there is none.
func (c XMLCall) DomainUUID() string {
	rest := cryptobyte.String(c.Domain)
	var u []byte
	if _, err := readString(&rest); err != nil || !rest.ReadBytes(&u, uuidSize) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// ParseDomainName is the name in a reply that is a remote_nonnull_domain, "" in others.
func ParseDomainName(m Message) string { return domainName(m.payload()) }

func domainName(domain cryptobyte.String) string {
	name, _ := readString(&domain)
	return string(name)
}

// GetXMLDesc is the arguments of DOMAIN_GET_XML_DESC.
func GetXMLDesc(domain []byte, flags uint32) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(domain), flags)
}

// SetMetadata is the arguments of DOMAIN_SET_METADATA for an element.
func SetMetadata(domain []byte, element, key, namespace string, flags uint32) []byte {
	const typeElement = 2 // VIR_DOMAIN_METADATA_ELEMENT
	b := binary.BigEndian.AppendUint32(bytes.Clone(domain), typeElement)
	for _, s := range []string{element, key, namespace} {
		const present = 1 // all three are optional
		b = binary.BigEndian.AppendUint32(b, present)
		b = AppendString(b, []byte(s))
	}
	return binary.BigEndian.AppendUint32(b, flags)
}

// ParseXMLDesc is the document in the reply to DOMAIN_GET_XML_DESC. The error may be
// libvirt's.
func ParseXMLDesc(m Message) ([]byte, error) {
	if r := m.Refusal(); r != nil {
		return nil, r
	}
	ret := m.payload()
	return readString(&ret)
}

const uuidSize = 16 // VIR_UUID_BUFLEN

// skipDomain skips a remote_nonnull_domain: name, UUID, id.
func skipDomain(s *cryptobyte.String) error {
	if _, err := readString(s); err != nil {
		return err
	}
	const idSize = 4
	if !s.Skip(uuidSize + idSize) {
		return errTruncated
	}
	return nil
}

// readString reads an XDR string (RFC 4506, section 4.11).
func readString(s *cryptobyte.String) ([]byte, error) {
	var n uint32
	if !s.ReadUint32(&n) {
		return nil, errTruncated
	}
	if n > MaxString {
		return nil, fmt.Errorf("a string of %d bytes, where libvirt's limit is %d", n, MaxString)
	}
	var text []byte
	if !s.ReadBytes(&text, int(n)) || !s.Skip(padded(int(n))-int(n)) {
		return nil, errTruncated
	}
	return text, nil
}

// AppendString appends text as an XDR string.
func AppendString(b, text []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	return append(b, make([]byte, padded(len(text))-len(text))...)
}

// padded is what n bytes take in XDR, whose items are multiples of four bytes.
func padded(n int) int { return (n + 3) &^ 3 }
