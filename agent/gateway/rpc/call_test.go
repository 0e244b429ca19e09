package rpc

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// defineArgs is remote_domain_define_xml_flags_args.
func defineArgs(doc string) []byte {
	return binary.BigEndian.AppendUint32(AppendString(nil, []byte(doc)), 0x55)
}

// domainArg is remote_nonnull_domain.
func domainArg() []byte {
	b := AppendString(nil, []byte("instance-00000001"))
	b = append(b, "0123456789abcdef"...)
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

// attachArgs is remote_domain_attach_device_flags_args.
func attachArgs(doc string) []byte {
	return binary.BigEndian.AppendUint32(AppendString(domainArg(), []byte(doc)), 0x3)
}

func TestParseCall(t *testing.T) {
	call := func(proc Procedure, typ Type, args []byte) Message {
		return NewMessage(Header{Prog: ProgramRemote, Vers: 1, Proc: proc, Type: typ, Serial: 5}, args)
	}
	tests := map[string]struct {
		in          Message
		xml, domain string
		err         string
	}{
		"define":            {in: call(ProcDomainDefineXMLFlags, TypeCall, defineArgs("<domain/>")), xml: "<domain/>"},
		"define, old":       {in: call(ProcDomainDefineXML, TypeCall, AppendString(nil, []byte("<domain/>"))), xml: "<domain/>"},
		"create with files": {in: call(ProcDomainCreateXMLWithFiles, TypeCallWithFDs, withFDs(1, defineArgs("<domain/>"))), xml: "<domain/>"},
		"attach":            {in: call(ProcDomainAttachDeviceFlags, TypeCall, attachArgs("<disk/>")), xml: "<disk/>", domain: string(domainArg())},
		"no arguments":      {in: call(ProcDomainDefineXML, TypeCall, nil), err: "too early"},
		"no document":       {in: call(ProcDomainAttachDevice, TypeCall, domainArg()), err: "too early"},
		"half a domain":     {in: call(ProcDomainAttachDevice, TypeCall, domainArg()[:30]), err: "too early"},
		"half a document":   {in: call(ProcDomainDefineXML, TypeCall, defineArgs("<domain/>")[:10]), err: "too early"},
		"no padding":        {in: call(ProcDomainDefineXML, TypeCall, defineArgs("<domain/>")[:14]), err: "too early"},
		"too long": {
			in:  call(ProcDomainDefineXML, TypeCall, binary.BigEndian.AppendUint32(nil, MaxString+1)),
			err: "limit is 4194304",
		},
		"nfds missing": {in: call(ProcDomainDefineXML, TypeCallWithFDs, []byte{0, 0}), err: "too early"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCall(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got.XML) != tt.xml || string(got.Domain) != tt.domain {
				t.Fatalf("document %q of domain %q", got.XML, got.Domain)
			}
			if same := got.WithXML(got.XML); !bytes.Equal(same.Bytes, tt.in.Bytes) {
				t.Errorf("the same document makes another call:\n%s", cmp.Diff(tt.in.Bytes, same.Bytes))
			}
		})
	}
}

// TestWithXML replaces documents by others of every length modulo four.
func TestWithXML(t *testing.T) {
	for old := range 9 {
		for now := range 9 {
			before, after := strings.Repeat("a", old), strings.Repeat("b", now)
			h := Header{Prog: ProgramRemote, Vers: 1, Proc: ProcDomainUpdateDeviceFlags, Type: TypeCall, Serial: 5}
			c, err := ParseCall(NewMessage(h, attachArgs(before)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(frameOf(h, attachArgs(after)), c.WithXML([]byte(after)).Bytes); diff != "" {
				t.Errorf("%q to %q (-want +got):\n%s", before, after, diff)
			}
		}
	}
}

func TestAppendString(t *testing.T) {
	for text, want := range map[string]string{
		"":      "\x00\x00\x00\x00",
		"a":     "\x00\x00\x00\x01a\x00\x00\x00",
		"abcd":  "\x00\x00\x00\x04abcd",
		"abcde": "\x00\x00\x00\x05abcde\x00\x00\x00",
	} {
		if got := string(AppendString(nil, []byte(text))); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestRefusal: libvirt quotes a document from the second line on.
func TestRefusal(t *testing.T) {
	b := binary.BigEndian.AppendUint32(nil, 27) // VIR_ERR_XML_ERROR
	b = binary.BigEndian.AppendUint32(b, 20)    // VIR_FROM_DOMAIN
	b = binary.BigEndian.AppendUint32(b, 1)     // there is a message
	b = AppendString(b, []byte("(domain_definition):3: bad\n<graphics passwd='secret'/>\n-----^"))
	reply := NewMessage(Header{Type: TypeReply, Status: StatusError}, b)
	want := Refusal{27, "(domain_definition):3: bad"}
	if got := reply.Refusal(); *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for n := range b {
		short := Message{Header: reply.Header, Bytes: reply.Bytes[:HeaderSize+n]}
		if got := short.Refusal(); !strings.HasPrefix(got.Text, "an error w") {
			t.Errorf("%d bytes are %+v", n, got)
		}
	}
	if got := NewMessage(Header{Type: TypeReply}, nil).Refusal(); got != nil {
		t.Errorf("success is %+v", got)
	}
}
