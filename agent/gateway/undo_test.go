package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		proc  rpc.Procedure
		flags uint32
		want  []document
	}{
		"attach without flags": {rpc.ProcDomainAttachDevice, 0, []document{{write: 1}}},
		"current":              {rpc.ProcDomainAttachDeviceFlags, 0, []document{{}}},
		"live":                 {rpc.ProcDomainAttachDeviceFlags, 1, []document{{write: 1}}},
		"config":               {rpc.ProcDomainAttachDeviceFlags, 2, []document{{read: 2, write: 2}}},
		"both":                 {rpc.ProcDomainUpdateDeviceFlags, 3, []document{{write: 1}, {read: 2, write: 2}}},
		"current by force":     {rpc.ProcDomainUpdateDeviceFlags, 4, []document{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, documents(c.proc, c.flags), cmp.AllowUnexported(document{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// attachRewritten lets a device through the gateway to libvirt.
func attachRewritten(t testing.TB, client, libvirt *net.UnixConn, call rpc.Header) {
	t.Helper()
	write(t, client, frameOf(call, attachArgs(deviceDoc)))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 0))
	wantFrame(t, libvirt, frameOf(call, attachArgs(rewrittenDevice(t))))
}

// wantSaved answers what the gateway asks for the undo records of the running guest
// and of the definition.
func wantSaved(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message, live, config string) {
	t.Helper()
	wantSavedIn(t, libvirt, lookup, live, 0, 1)
	wantSavedIn(t, libvirt, readFrame(t, libvirt), config, 2, 2)
}

// wantSavedIn answers the gateway's question for a document, and its call that writes
// the undo record into that.
func wantSavedIn(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message, doc string, read, wrote uint32) {
	t.Helper()
	write(t, libvirt, xmlDesc(t, lookup, doc, read))
	m := readFrame(t, libvirt)
	wantSetMetadata(t, m, doc, wrote)
	write(t, libvirt, okReply(m.Header, nil))
}

// wantSetMetadata looks at the arguments, which are remote_domain_set_metadata_args.
func wantSetMetadata(t testing.TB, m rpc.Message, doc string, flags uint32) {
	t.Helper()
	record, err := domainxml.DeviceRecord([]byte(deviceDoc), []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	want := append(domainArg(), 0, 0, 0, 2)
	for _, s := range []string{record, "netboot", "urn:virt-netboot:domain:1.0"} {
		want = rpc.AppendString(append(want, 0, 0, 0, 1), []byte(s))
	}
	want = binary.BigEndian.AppendUint32(want, flags)
	if m.Proc != 264 || m.Type != rpc.TypeCall || !bytes.Equal(m.Bytes[rpc.HeaderSize:], want) {
		t.Fatalf("the gateway called %+v with %q, want DOMAIN_SET_METADATA with %q", m.Header, m.Bytes[rpc.HeaderSize:], want)
	}
}

// TestSavesUndo: both documents get their own record, and the client its reply after.
func TestSavesUndo(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	definition := strings.Replace(domainDoc, "<os>", `<metadata><a:domain xmlns:a="urn:virt-netboot:domain:1.0"><a:boot/></a:domain></metadata><os>`, 1)
	attachRewritten(t, client, libvirt, attach)
	write(t, libvirt, okReply(attach, nil))
	wantSavedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 0, 1)
	// An event in between reaches the client.
	relay(t, libvirt, client, frameOf(ping, nil))
	wantSavedIn(t, libvirt, readFrame(t, libvirt), definition, 2, 2)
	wantFrame(t, client, okReply(attach, nil))
	wantPasses(t, client, libvirt)
}

// TestUndoFails: the client gets its reply whatever becomes of the record.
func TestUndoFails(t *testing.T) {
	const left = "virt-netboot revert will not put back what was taken from a device of domain instance-00000001"
	domain := rpc.AppendString(nil, []byte(domainDoc))
	for name, c := range map[string]struct {
		answer  func(lookup rpc.Header) []byte
		refuses bool // the record
		want    string
	}{
		"domain gone":    {func(h rpc.Header) []byte { return errorReply(h, "no domain") }, false, "asking libvirt for the domain: no domain"},
		"interface gone": {func(h rpc.Header) []byte { return okReply(h, rpc.AppendString(nil, []byte("<domain/>"))) }, false, "asking libvirt for the domain: the domain has no interface"},
		"too long":       {func(h rpc.Header) []byte { return okReply(h, make([]byte, rpc.MaxCall)) }, false, "asking libvirt for the domain: its document has"},
		"refused":        {func(h rpc.Header) []byte { return okReply(h, domain) }, true, "setting the domain's metadata: access denied"},
		"no answer":      {nil, false, "asking libvirt for the domain: no answer within 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			client, libvirt := l.connect(t)
			attachRewritten(t, client, libvirt, attach)
			write(t, libvirt, okReply(attach, nil))
			lookup := readFrame(t, libvirt)
			if c.answer != nil {
				write(t, libvirt, c.answer(lookup.Header))
			}
			if c.refuses {
				write(t, libvirt, errorReply(readFrame(t, libvirt).Header, "access denied"))
			}
			wantFrame(t, client, okReply(attach, nil))
			if e := l.logged(t, left); !strings.Contains(e.Message, c.want) {
				t.Errorf("logged %q, want %q", e.Message, c.want)
			}
			if c.answer == nil { // one that comes too late is not the client's
				write(t, libvirt, xmlDesc(t, lookup, domainDoc, 0))
			}
			wantPasses(t, client, libvirt)
		})
	}
}

// TestUndoInTurn: the second reads the domain when the first has written.
func TestUndoInTurn(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	calls := [2]rpc.Header{attach, attach}
	calls[1].Serial++
	for _, call := range calls {
		attachRewritten(t, client, libvirt, call)
	}
	write(t, libvirt, okReply(calls[0], nil), okReply(calls[1], nil))
	for _, call := range calls {
		wantSaved(t, libvirt, readFrame(t, libvirt), domainDoc, domainDoc)
		wantFrame(t, client, okReply(call, nil))
	}
}

// TestUndoWhileLookingUp: the gateway asks for the domain of a device while it saves
// the undo record of another.
func TestUndoWhileLookingUp(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	second := attach
	second.Serial++
	attachRewritten(t, client, libvirt, attach)
	write(t, client, frameOf(second, attachArgs(deviceDoc)))
	lookup := readFrame(t, libvirt)
	write(t, libvirt, okReply(attach, nil))
	saving := readFrame(t, libvirt)
	write(t, libvirt, xmlDesc(t, lookup, domainDoc, 0))
	wantFrame(t, libvirt, frameOf(second, attachArgs(rewrittenDevice(t))))
	wantSaved(t, libvirt, saving, domainDoc, domainDoc)
	wantFrame(t, client, okReply(attach, nil))
}

// TestUndoBetweenCalls: what the gateway asks waits for the end of the client's
// message under way, and holds back the next.
func TestUndoBetweenCalls(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	attachRewritten(t, client, libvirt, attach)
	answerMidFrame(t, client, libvirt, okReply(attach, nil))
	lookup := readFrame(t, libvirt)
	write(t, client, frameOf(getLibVersion, nil))
	wantSaved(t, libvirt, lookup, domainDoc, domainDoc)
	wantFrame(t, client, okReply(attach, nil))
	wantFrame(t, libvirt, frameOf(getLibVersion, nil))
}

// TestUndoForAClientThatLeft: libvirt goes on with the device of a client that was
// killed while it waited.
func TestUndoForAClientThatLeft(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	attachRewritten(t, client, libvirt, attach)
	client.Close()
	time.Sleep(50 * time.Millisecond)
	write(t, libvirt, okReply(attach, nil))
	wantSaved(t, libvirt, readFrame(t, libvirt), domainDoc, domainDoc)
	wantEOF(t, libvirt)
}

// TestNothingToUndo: what libvirt refused as rewritten is not taken from it.
func TestNothingToUndo(t *testing.T) {
	for _, final := range []bool{false, true} {
		t.Run(fmt.Sprint("final ", final), func(t *testing.T) {
			client, libvirt := newLab(t, func(s *Server) { s.RefusalIsFinal = func() bool { return final } }).connect(t)
			attachRewritten(t, client, libvirt, attach)
			answer := errorReply(attach, "no")
			write(t, libvirt, answer)
			if !final {
				wantFrame(t, libvirt, frameOf(attach, attachArgs(deviceDoc)))
				answer = okReply(attach, nil)
				write(t, libvirt, answer)
			}
			wantFrame(t, client, answer)
			client.Close()
			wantEOF(t, libvirt)
		})
	}
}
