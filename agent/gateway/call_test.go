package gateway

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	domainDoc = `<domain type='kvm'>
  <name>instance-00000001</name>
  <uuid>6a4b4cf5-1c3f-4c5a-9d2f-2c3b6a1d2e3f</uuid>
  <os><type>hvm</type><boot dev='hd'/></os>
  <devices>
    <interface type='bridge'>
      <mac address='fa:16:3e:50:43:cd'/>
      <source bridge='br100'/>
      <filterref filter='nova-base'/>
    </interface>
  </devices>
</domain>`
	deviceDoc = `<interface type='bridge'><source bridge='br100'/><filterref filter='nova-base'/></interface>`
)

// defineArgs is remote_domain_define_xml_flags_args.
func defineArgs(doc string) []byte {
	return binary.BigEndian.AppendUint32(appendString(nil, []byte(doc)), 0x55)
}

// domainArg is remote_nonnull_domain.
func domainArg() []byte {
	b := appendString(nil, []byte("instance-00000001"))
	b = append(b, "0123456789abcdef"...)
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

// attachArgs is remote_domain_attach_device_flags_args.
func attachArgs(doc string) []byte {
	return binary.BigEndian.AppendUint32(appendString(domainArg(), []byte(doc)), 0x3)
}

func TestParseCall(t *testing.T) {
	call := func(proc Procedure, typ messageType, args []byte) message {
		b := frameOf(header{prog: ProgramRemote, vers: 1, proc: proc, typ: typ, serial: 5}, args)
		return message{head: parseHeader(b), bytes: b}
	}
	tests := map[string]struct {
		in          message
		xml, domain string
		err         string
	}{
		"define":            {in: call(ProcDomainDefineXMLFlags, typeCall, defineArgs("<domain/>")), xml: "<domain/>"},
		"define, old":       {in: call(ProcDomainDefineXML, typeCall, appendString(nil, []byte("<domain/>"))), xml: "<domain/>"},
		"create with files": {in: call(ProcDomainCreateXMLWithFiles, typeCallWithFDs, withFDs(1, defineArgs("<domain/>"))), xml: "<domain/>"},
		"attach":            {in: call(ProcDomainAttachDeviceFlags, typeCall, attachArgs("<disk/>")), xml: "<disk/>", domain: string(domainArg())},
		"no arguments":      {in: call(ProcDomainDefineXML, typeCall, nil), err: "too early"},
		"no document":       {in: call(ProcDomainAttachDevice, typeCall, domainArg()), err: "too early"},
		"half a domain":     {in: call(ProcDomainAttachDevice, typeCall, domainArg()[:30]), err: "too early"},
		"half a document":   {in: call(ProcDomainDefineXML, typeCall, defineArgs("<domain/>")[:10]), err: "too early"},
		"no padding":        {in: call(ProcDomainDefineXML, typeCall, defineArgs("<domain/>")[:14]), err: "too early"},
		"too long": {
			in:  call(ProcDomainDefineXML, typeCall, binary.BigEndian.AppendUint32(nil, maxString+1)),
			err: "limit is 4194304",
		},
		"nfds missing": {in: call(ProcDomainDefineXML, typeCallWithFDs, []byte{0, 0}), err: "too early"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseCall(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got.xml) != tt.xml || string(got.domain) != tt.domain {
				t.Fatalf("document %q of domain %q", got.xml, got.domain)
			}
			if same := got.withXML(got.xml); !bytes.Equal(same.bytes, tt.in.bytes) {
				t.Errorf("the same document makes another call:\n%s", cmp.Diff(tt.in.bytes, same.bytes))
			}
		})
	}
}

// TestWithXML replaces documents by others of every length modulo four.
func TestWithXML(t *testing.T) {
	for old := range 9 {
		for now := range 9 {
			before, after := strings.Repeat("a", old), strings.Repeat("b", now)
			h := header{prog: ProgramRemote, vers: 1, proc: ProcDomainUpdateDeviceFlags, typ: typeCall, serial: 5}
			m := message{head: h, bytes: frameOf(h, attachArgs(before))}
			c, err := parseCall(m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(frameOf(h, attachArgs(after)), c.withXML([]byte(after)).bytes); diff != "" {
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
		if got := string(appendString(nil, []byte(text))); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestParseErrorKeepsDocumentsOut(t *testing.T) {
	reply := errorReply(header{}, "(domain_definition):3: bad\n<graphics passwd='secret'/>\n-----^")
	if got := parseError(reply).text; got != "(domain_definition):3: bad" {
		t.Errorf("got %q", got)
	}
	for n := range len(reply.bytes) - headerSize {
		parseError(message{bytes: reply.bytes[:headerSize+n]}) // must not panic
	}
}

// errorReply is libvirt's refusal of the call, a virNetMessageError.
func errorReply(call header, text string) message {
	const internalError = 1 // VIR_ERR_INTERNAL_ERROR
	return errorReplyWith(internalError, call, text)
}

func errorReplyWith(code errorCode, call header, text string) message {
	h := call
	h.typ, h.status = typeReply, statusError
	b := binary.BigEndian.AppendUint32(nil, uint32(code))
	b = binary.BigEndian.AppendUint32(b, 20) // VIR_FROM_DOMAIN
	b = binary.BigEndian.AppendUint32(b, 1)  // there is a message
	b = appendString(b, []byte(text))
	b = binary.BigEndian.AppendUint32(b, 2) // VIR_ERR_ERROR
	b = append(b, make([]byte, 4*4)...)     // no domain, no str1 to str3
	b = append(b, make([]byte, 4+4+4)...)   // int1, int2, no network
	return message{head: h, bytes: frameOf(h, b)}
}
