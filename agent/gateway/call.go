package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// maxCall is the length of the longest call that is looked into: a document of
// libvirt's longest string, and as much as a domain's name may have in practice.
const maxCall = maxString + 64<<10

// xmlCall is a call with a domain or device document among its arguments.
type xmlCall struct {
	message
	// domain is the remote_nonnull_domain that a device is for, as it came.
	domain []byte
	// xml is the document, in bytes[at:].
	xml []byte
	at  int
}

var errTruncated = errors.New("the arguments end too early")

// parseCall finds the document in a call whose procedure carries one. The
// argument structs are those of src/remote/remote_protocol.x; all of them are
// [domain], document, [flags].
func parseCall(m message) (xmlCall, error) {
	args := cryptobyte.String(m.bytes[headerSize:])
	if m.head.typ.hasFDs() && !args.Skip(nfdsSize) {
		return xmlCall{}, errTruncated
	}
	c := xmlCall{message: m}
	if m.head.proc.carriesDevice() {
		rest := args
		if err := skipDomain(&args); err != nil {
			return xmlCall{}, err
		}
		c.domain = rest[:len(rest)-len(args)]
	}
	c.at = len(m.bytes) - len(args) + 4
	xml, err := readString(&args)
	c.xml = xml
	return c, err
}

// withXML is the call with another document and everything else as it was.
func (c xmlCall) withXML(xml []byte) message {
	end := c.at + padded(len(c.xml))
	b := make([]byte, 0, len(c.bytes)-padded(len(c.xml))+padded(len(xml)))
	b = append(b, c.bytes[:c.at-4]...)
	b = appendString(b, xml)
	b = append(b, c.bytes[end:]...)
	m := message{head: c.head, bytes: b, fds: c.fds}
	m.head.length = len(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return m
}

// flags are those of the call for a device, 0 where it has none.
func (c xmlCall) flags() uint32 {
	rest := cryptobyte.String(c.bytes[c.at+padded(len(c.xml)):])
	var flags uint32
	rest.ReadUint32(&flags)
	return flags
}

// getXMLDesc is the arguments of DOMAIN_GET_XML_DESC.
func getXMLDesc(domain []byte, flags uint32) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(domain), flags)
}

// setMetadata is the arguments of DOMAIN_SET_METADATA for an element.
func setMetadata(domain []byte, element, key, namespace string, flags uint32) []byte {
	const typeElement = 2 // VIR_DOMAIN_METADATA_ELEMENT
	b := binary.BigEndian.AppendUint32(bytes.Clone(domain), typeElement)
	for _, s := range []string{element, key, namespace} {
		const present = 1 // all three are optional
		b = binary.BigEndian.AppendUint32(b, present)
		b = appendString(b, []byte(s))
	}
	return binary.BigEndian.AppendUint32(b, flags)
}

// parseXMLDesc reads the reply to DOMAIN_GET_XML_DESC.
func parseXMLDesc(m message) ([]byte, error) {
	if err := replyError(m); err != nil {
		return nil, err
	}
	ret := cryptobyte.String(m.bytes[headerSize:])
	return readString(&ret)
}

// replyError is libvirt's error in a reply, nil where it did what was asked.
func replyError(m message) error {
	if m.head.status == statusOK {
		return nil
	}
	return parseError(m)
}

// refusal is a virNetMessageError, of whose message it has only the first line:
// after it libvirt quotes from documents.
type refusal struct {
	code errorCode
	text string
}

func (r refusal) Error() string { return r.text }

func parseError(m message) refusal {
	ret := cryptobyte.String(m.bytes[headerSize:])
	if m.head.typ.hasFDs() {
		ret.Skip(nfdsSize)
	}
	var code, domain, present uint32
	if !ret.ReadUint32(&code) || !ret.ReadUint32(&domain) || !ret.ReadUint32(&present) || present == 0 {
		return refusal{errorCode(code), "an error without a message"}
	}
	text, err := readString(&ret)
	if err != nil {
		return refusal{errorCode(code), "an error whose message cannot be read"}
	}
	return refusal{errorCode(code), firstLine(text)}
}

// domainName is the name in a remote_nonnull_domain, "" where there is none.
func domainName(domain []byte) string {
	s := cryptobyte.String(domain)
	name, err := readString(&s)
	if err != nil {
		return ""
	}
	return string(name)
}

// skipDomain skips a remote_nonnull_domain: name, UUID, id.
func skipDomain(s *cryptobyte.String) error {
	if _, err := readString(s); err != nil {
		return err
	}
	const uuidSize, idSize = 16, 4
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
	if n > maxString {
		return nil, fmt.Errorf("a string of %d bytes, where libvirt's limit is %d", n, maxString)
	}
	var text []byte
	if !s.ReadBytes(&text, int(n)) || !s.Skip(padded(int(n))-int(n)) {
		return nil, errTruncated
	}
	return text, nil
}

func appendString(b, text []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	return append(b, make([]byte, padded(len(text))-len(text))...)
}

// padded is what n bytes take in XDR, whose items are multiples of four bytes.
func padded(n int) int { return (n + 3) &^ 3 }

func firstLine(text []byte) string {
	for i, c := range text {
		if c == '\n' {
			return string(text[:i])
		}
	}
	return string(text)
}
