package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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

// attached lets a device through the gateway up to libvirt's reply, and returns
// what the gateway asks libvirt then.
func attached(t testing.TB, client, libvirt *net.UnixConn, call rpc.Header) rpc.Message {
	t.Helper()
	write(t, client, frameOf(call, attachArgs(deviceDoc)))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 0))
	wantFrame(t, libvirt, frameOf(call, attachArgs(rewrittenDevice(t))))
	write(t, libvirt, okReply(call, nil))
	return readFrame(t, libvirt)
}

// savedIn answers the gateway's question for a document, and its call that writes
// the record into that.
func savedIn(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message, doc string, read, wrote uint32) {
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
	lookup := attached(t, client, libvirt, attach)
	savedIn(t, libvirt, lookup, domainDoc, 0, 1)
	// An event in between reaches the client.
	write(t, libvirt, frameOf(ping, nil))
	wantFrame(t, client, frameOf(ping, nil))
	savedIn(t, libvirt, readFrame(t, libvirt), definition, 2, 2)
	wantFrame(t, client, okReply(attach, nil))
	wantPasses(t, client, libvirt)
}

func wantPasses(t testing.TB, client, libvirt *net.UnixConn) {
	t.Helper()
	write(t, client, frameOf(getLibVersion, nil))
	wantFrame(t, libvirt, frameOf(getLibVersion, nil))
	write(t, libvirt, okReply(getLibVersion, nil))
	wantFrame(t, client, okReply(getLibVersion, nil))
}

// TestUndoFails: the client gets its reply whatever becomes of the record.
func TestUndoFails(t *testing.T) {
	const left = "virt-netboot revert will not put back what was taken from a device of domain instance-00000001"
	for name, c := range map[string]struct {
		answer func(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message)
		want   string
	}{
		"domain gone": {
			func(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message) {
				write(t, libvirt, errorReply(lookup.Header, "no domain with matching uuid"))
			}, "asking libvirt for the domain: no domain with matching uuid",
		},
		"interface gone": {
			func(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message) {
				write(t, libvirt, xmlDesc(t, lookup, "<domain/>", 0))
			}, "asking libvirt for the domain: the domain has no interface",
		},
		"too long": {
			func(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message) {
				go libvirt.Write(okReply(lookup.Header, make([]byte, rpc.MaxCall)))
			}, "asking libvirt for the domain: its document has",
		},
		"refused": {
			func(t testing.TB, libvirt *net.UnixConn, lookup rpc.Message) {
				write(t, libvirt, xmlDesc(t, lookup, domainDoc, 0))
				write(t, libvirt, errorReply(readFrame(t, libvirt).Header, "access denied"))
			}, "setting the domain's metadata: access denied",
		},
		"no answer": {
			func(testing.TB, *net.UnixConn, rpc.Message) {}, "no answer within 2s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			client, libvirt := l.connect(t)
			lookup := attached(t, client, libvirt, attach)
			c.answer(t, libvirt, lookup)
			wantFrame(t, client, okReply(attach, nil))
			if e := l.logged(t, left); !strings.HasSuffix(e.Message, c.want) && !strings.Contains(e.Message, c.want) {
				t.Errorf("logged %q, want %q", e.Message, c.want)
			}
			if name == "no answer" { // one that comes too late is not the client's
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
		write(t, client, frameOf(call, attachArgs(deviceDoc)))
		write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 0))
		readFrame(t, libvirt)
	}
	write(t, libvirt, okReply(calls[0], nil), okReply(calls[1], nil))
	for _, call := range calls {
		savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 0, 1)
		savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 2, 2)
		wantFrame(t, client, okReply(call, nil))
	}
}

// TestUndoBetweenCalls: what the gateway asks waits for the end of the client's
// call under way, and holds back the next.
func TestUndoBetweenCalls(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	write(t, client, frameOf(attach, attachArgs(deviceDoc)))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 0))
	readFrame(t, libvirt)
	other := frameOf(streamData, make([]byte, 1000))
	write(t, client, other[:500])
	if _, err := io.ReadFull(libvirt, make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	write(t, libvirt, okReply(attach, nil))
	time.Sleep(50 * time.Millisecond)
	write(t, client, other[500:])
	rest := make([]byte, len(other)-500)
	if _, err := io.ReadFull(libvirt, rest); err != nil || !bytes.Equal(rest, other[500:]) {
		t.Fatalf("the rest of the message is another: %v", err)
	}
	lookup := readFrame(t, libvirt)
	write(t, client, frameOf(getLibVersion, nil))
	savedIn(t, libvirt, lookup, domainDoc, 0, 1)
	savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 2, 2)
	wantFrame(t, client, okReply(attach, nil))
	wantFrame(t, libvirt, frameOf(getLibVersion, nil))
}

// TestUndoForAClientThatLeft: libvirt goes on with the device of a client that was
// killed while it waited.
func TestUndoForAClientThatLeft(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	write(t, client, frameOf(attach, attachArgs(deviceDoc)))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 0))
	readFrame(t, libvirt)
	client.Close()
	time.Sleep(50 * time.Millisecond)
	write(t, libvirt, okReply(attach, nil))
	savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 0, 1)
	savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 2, 2)
	wantEOF(t, libvirt)
}

// TestNothingToUndo: what libvirt refused as rewritten is not taken from it.
func TestNothingToUndo(t *testing.T) {
	for _, final := range []bool{false, true} {
		t.Run(fmt.Sprint("final ", final), func(t *testing.T) {
			client, libvirt := newLab(t, func(s *Server) { s.RefusalIsFinal = func() bool { return final } }).connect(t)
			write(t, client, frameOf(attach, attachArgs(deviceDoc)))
			write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 0))
			readFrame(t, libvirt)
			write(t, libvirt, errorReply(attach, "no"))
			answer := errorReply(attach, "no")
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
