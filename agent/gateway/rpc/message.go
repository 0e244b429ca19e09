package rpc

import (
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Message is a frame with its descriptors.
type Message struct {
	Header
	Bytes []byte // the header, too
	FDs   []int
}

// NewMessage makes a message with the length that its payload gives it.
func NewMessage(h Header, payload []byte) Message {
	h.Length = HeaderSize + len(payload)
	return Message{Header: h, Bytes: append(h.append(make([]byte, 0, h.Length)), payload...)}
}

// Segment is bytes to be sent, with descriptors that go with the first of them.
type Segment struct {
	Bytes []byte
	FDs   []int
}

// Segments is a message as virNetSocketSendFD sends it: the frame, then a byte
// for each descriptor.
func (m Message) Segments() []Segment {
	s := []Segment{{Bytes: m.Bytes}}
	for _, fd := range m.FDs {
		s = append(s, Segment{[]byte{0}, []int{fd}})
	}
	return s
}

// Refusal is a virNetMessageError, with only the first line of its message: after
// it libvirt quotes from documents.
type Refusal struct {
	Code ErrorCode
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// Refusal is libvirt's error in a reply, nil where it did what was asked.
func (m Message) Refusal() *Refusal {
	if m.Status == StatusOK {
		return nil
	}
	ret := m.payload()
	var code, domain, present uint32
	if !ret.ReadUint32(&code) || !ret.ReadUint32(&domain) || !ret.ReadUint32(&present) || present == 0 {
		return &Refusal{ErrorCode(code), "an error without a message"}
	}
	text, err := readString(&ret)
	if err != nil {
		return &Refusal{ErrorCode(code), "an error whose message cannot be read"}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return &Refusal{ErrorCode(code), line}
}

// payload is the arguments of a call, or what a reply returns. It is empty where it is
// too short for the number of descriptors before it.
func (m Message) payload() cryptobyte.String {
	p := cryptobyte.String(m.Bytes[HeaderSize:])
	if m.Type.hasFDs() && !p.Skip(nfdsSize) {
		return nil
	}
	return p
}
