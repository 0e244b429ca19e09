package gateway

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
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

var (
	getLibVersion   = rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: 157, Type: rpc.TypeCall, Serial: 7}
	streamData      = rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: 208, Type: rpc.TypeStream, Serial: 8, Status: rpc.StatusContinue}
	openFD          = rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: 295, Type: rpc.TypeCallWithFDs, Serial: 9}
	ping            = rpc.Header{Prog: rpc.ProgramKeepAlive, Vers: 1, Proc: 1, Type: rpc.TypeMessage}
	define          = rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcDomainDefineXMLFlags, Type: rpc.TypeCall, Serial: 11}
	attach          = rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcDomainAttachDeviceFlags, Type: rpc.TypeCall, Serial: 12}
	createWithFiles = rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcDomainCreateXMLWithFiles, Type: rpc.TypeCallWithFDs, Serial: 13}
)

func frameOf(h rpc.Header, payload []byte) []byte { return rpc.NewMessage(h, payload).Bytes }

// okReply is libvirt's answer to a call.
func okReply(call rpc.Header, payload []byte) []byte {
	call.Type, call.Status = rpc.TypeReply, rpc.StatusOK
	return frameOf(call, payload)
}

// errorReply is libvirt's refusal of the call, a virNetMessageError.
func errorReply(call rpc.Header, text string) []byte {
	const internalError = 1 // VIR_ERR_INTERNAL_ERROR
	return errorReplyWith(internalError, call, text)
}

func errorReplyWith(code rpc.ErrorCode, call rpc.Header, text string) []byte {
	call.Type, call.Status = rpc.TypeReply, rpc.StatusError
	b := binary.BigEndian.AppendUint32(nil, uint32(code))
	b = binary.BigEndian.AppendUint32(b, 20) // VIR_FROM_DOMAIN
	b = binary.BigEndian.AppendUint32(b, 1)  // there is a message
	b = rpc.AppendString(b, []byte(text))
	b = binary.BigEndian.AppendUint32(b, 2) // VIR_ERR_ERROR
	b = append(b, make([]byte, 4*4)...)     // no domain, no str1 to str3
	b = append(b, make([]byte, 4+4+4)...)   // int1, int2, no network
	return frameOf(call, b)
}

func withFDs(n int, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(n)), payload...)
}

// defineArgs is remote_domain_define_xml_flags_args.
func defineArgs(doc string) []byte {
	return binary.BigEndian.AppendUint32(rpc.AppendString(nil, []byte(doc)), 0x55)
}

// domainUUID is that of domainArg.
const domainUUID = "30313233-3435-3637-3839-616263646566"

// domainArg is remote_nonnull_domain.
func domainArg() []byte {
	b := rpc.AppendString(nil, []byte("instance-00000001"))
	b = append(b, "0123456789abcdef"...)
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

// attachArgs is remote_domain_attach_device_flags_args.
func attachArgs(doc string) []byte {
	return binary.BigEndian.AppendUint32(rpc.AppendString(domainArg(), []byte(doc)), 0x3)
}

func write(t testing.TB, c io.Writer, b ...[]byte) {
	t.Helper()
	if _, err := c.Write(bytes.Join(b, nil)); err != nil {
		t.Fatal(err)
	}
}

// readFrame reads a frame as libvirt does, with read(2) and no more than its bytes.
func readFrame(t testing.TB, c io.Reader) rpc.Message {
	t.Helper()
	m, err := nextFrame(c)
	if err != nil {
		t.Fatal("reading a frame: ", err)
	}
	return m
}

func nextFrame(c io.Reader) (rpc.Message, error) {
	b := make([]byte, rpc.HeaderSize)
	if _, err := io.ReadFull(c, b); err != nil {
		return rpc.Message{}, err
	}
	h := rpc.ParseHeader(b)
	b = append(b, make([]byte, h.Length-rpc.HeaderSize)...)
	_, err := io.ReadFull(c, b[rpc.HeaderSize:])
	return rpc.Message{Header: h, Bytes: b}, err
}

// wantFrame reads a frame and compares it.
func wantFrame(t testing.TB, c io.Reader, want []byte) {
	t.Helper()
	if got := readFrame(t, c); !bytes.Equal(got.Bytes, want) {
		t.Fatalf("got frame %q\nwant %q", got.Bytes, want)
	}
}

// relay wants a frame that one side writes to reach the other as it is.
func relay(t testing.TB, from io.Writer, to io.Reader, frame []byte) {
	t.Helper()
	write(t, from, frame)
	wantFrame(t, to, frame)
}

// wantPasses wants a further call and its answer to pass.
func wantPasses(t testing.TB, client, libvirt io.ReadWriter) {
	t.Helper()
	relay(t, client, libvirt, frameOf(getLibVersion, nil))
	relay(t, libvirt, client, okReply(getLibVersion, nil))
}

// answerMidFrame has libvirt's answer come while the client is in the middle of a
// message, which has to reach libvirt before anything of the gateway's own.
func answerMidFrame(t testing.TB, client io.Writer, libvirt io.ReadWriter, answer []byte) {
	t.Helper()
	frame, got := frameOf(streamData, make([]byte, 1000)), make([]byte, 500)
	write(t, client, frame[:500])
	if _, err := io.ReadFull(libvirt, got); err != nil {
		t.Fatal(err)
	}
	write(t, libvirt, answer)
	time.Sleep(50 * time.Millisecond) // for the gateway to have it
	write(t, client, frame[500:])
	rest := make([]byte, len(frame)-len(got))
	if _, err := io.ReadFull(libvirt, rest); err != nil || !bytes.Equal(append(got, rest...), frame) {
		t.Fatalf("the message is another: %v", err)
	}
}
