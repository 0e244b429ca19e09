package gateway

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

func rewrittenDoc(t testing.TB, doc string) string {
	t.Helper()
	res, err := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}.Domain([]byte(doc), domainxml.Inactive)
	if err != nil || !res.Changed() {
		t.Fatalf("the policy does not change the test's document: %v", err)
	}
	return string(res.Output)
}

func rewrittenDevice(t testing.TB) string {
	t.Helper()
	res, err := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}.Device([]byte(deviceDoc), []byte(domainDoc))
	if err != nil || !res.Changed() {
		t.Fatalf("the policy does not change the test's device: %v", err)
	}
	return string(res.Output)
}

func TestRewritesDefine(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	before, after := frameOf(getLibVersion, nil), frameOf(ping, nil)
	write(t, client, before, frameOf(define, defineArgs(domainDoc)), after)
	wantFrame(t, libvirt, before)
	wantFrame(t, libvirt, frameOf(define, defineArgs(rewrittenDoc(t, domainDoc))))
	wantFrame(t, libvirt, after)
	write(t, libvirt, okReply(define, domainArg()))
	wantFrame(t, client, okReply(define, domainArg()))

	e := l.logged(t, "domain instance-00000001 rewritten")
	want := logrus.Fields{
		"DOMAIN": "instance-00000001", "UUID": "6a4b4cf5-1c3f-4c5a-9d2f-2c3b6a1d2e3f", "RULE": "default",
		"PROCEDURE": "DOMAIN_DEFINE_XML_FLAGS",
		"UID":       uint32(os.Getuid()), "GID": uint32(os.Getgid()), "PID": int32(os.Getpid()),
	}
	for k, v := range want {
		if e.Data[k] != v {
			t.Errorf("logged %s=%v, want %v", k, e.Data[k], v)
		}
	}
	if !strings.Contains(e.Data["CHANGE"].(string), "nova-base") {
		t.Errorf("logged CHANGE=%v", e.Data["CHANGE"])
	}
	wantCalls(t, l, rpc.ProcDomainDefineXMLFlags, resultRewritten, 1)
}

func wantCalls(t testing.TB, l *lab, proc rpc.Procedure, result string, want float64) {
	t.Helper()
	labels := map[string]string{"procedure": proc.String(), "result": result}
	if n := l.count(t, "virt_netboot_gateway_calls_total", labels); n != want {
		t.Errorf("%v calls of %s counted as %s, want %v", n, proc, result, want)
	}
}

func TestPassesUnchanged(t *testing.T) {
	for name, tt := range map[string]struct {
		call []byte
		proc rpc.Procedure
	}{
		"rewritten already":       {frameOf(define, defineArgs(rewrittenDoc(t, domainDoc))), define.Proc},
		"another hypervisor":      {frameOf(define, defineArgs("<domain type='lxc'><name>a</name></domain>")), define.Proc},
		"device without a filter": {frameOf(attach, attachArgs("<disk/>")), attach.Proc},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			client, libvirt := l.connect(t)
			write(t, client, tt.call)
			wantFrame(t, libvirt, tt.call)
			wantCalls(t, l, tt.proc, resultUnchanged, 1)
		})
	}
}

func TestOtherProgramsPass(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	for _, h := range []rpc.Header{
		{Prog: rpc.ProgramQEMU, Vers: 1, Proc: define.Proc, Type: rpc.TypeCall, Serial: 1},
		{Prog: rpc.ProgramRemote, Vers: 1, Proc: define.Proc, Type: rpc.TypeReply, Serial: 1},
		{Prog: rpc.ProgramRemote, Vers: 1, Proc: define.Proc, Type: rpc.TypeMessage},
	} {
		write(t, client, frameOf(h, defineArgs(domainDoc)))
		wantFrame(t, libvirt, frameOf(h, defineArgs(domainDoc)))
	}
}

func TestPanicPassesUnchanged(t *testing.T) {
	l := newLab(t, func(s *Server) {
		s.Rewriter = func() domainxml.Rewriter {
			return domainxml.Rewriter{
				Policy:     domainxml.DefaultPolicy(),
				ReadInitrd: func(string, int) ([]byte, error) { panic("no initrd") },
			}
		}
	})
	client, libvirt := l.connect(t)
	doc := strings.Replace(domainDoc, "<type>hvm</type>", "<type>hvm</type><kernel>/k</kernel><initrd>/i</initrd>", 1)
	write(t, client, frameOf(define, defineArgs(doc)))
	wantFrame(t, libvirt, frameOf(define, defineArgs(doc)))
	write(t, libvirt, okReply(define, domainArg()))
	l.logged(t, "fault in a rule: no initrd")
}

func TestCreateWithFiles(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	f := tempFile(t)
	write(t, client, frameOf(createWithFiles, withFDs(1, defineArgs(domainDoc))))
	sendFD(t, client, f)
	write(t, client, frameOf(getLibVersion, nil))
	wantFrame(t, libvirt, frameOf(createWithFiles, withFDs(1, defineArgs(rewrittenDoc(t, domainDoc)))))
	wantSameFile(t, recvFD(t, libvirt), f)
	wantFrame(t, libvirt, frameOf(getLibVersion, nil))
}

// xmlDesc is libvirt's answer to a lookup of the gateway.
func xmlDesc(t testing.TB, lookup rpc.Message, doc string, flags uint32) []byte {
	t.Helper()
	if lookup.Prog != rpc.ProgramRemote || lookup.Proc != rpc.ProcDomainGetXMLDesc || lookup.Type != rpc.TypeCall {
		t.Fatalf("the gateway asked %+v, want DOMAIN_GET_XML_DESC", lookup.Header)
	}
	if want := binary.BigEndian.AppendUint32(domainArg(), flags); !bytes.Equal(lookup.Bytes[rpc.HeaderSize:], want) {
		t.Fatalf("the gateway asked with %q, want %q", lookup.Bytes[rpc.HeaderSize:], want)
	}
	return okReply(lookup.Header, rpc.AppendString(nil, []byte(doc)))
}

func TestAttachDevice(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	next := frameOf(getLibVersion, nil)
	write(t, client, frameOf(attach, attachArgs(deviceDoc)), next)
	lookup := readFrame(t, libvirt)
	if lookup.Serial == attach.Serial {
		t.Fatal("the gateway uses the client's serial")
	}
	// An event in between reaches the client.
	write(t, libvirt, frameOf(ping, nil), xmlDesc(t, lookup, domainDoc, 0))
	wantFrame(t, libvirt, frameOf(attach, attachArgs(rewrittenDevice(t))))
	wantFrame(t, libvirt, next)
	write(t, libvirt, okReply(attach, nil))
	savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 0, 1)
	savedIn(t, libvirt, readFrame(t, libvirt), domainDoc, 2, 2)
	wantFrame(t, client, frameOf(ping, nil))
	wantFrame(t, client, okReply(attach, nil)) // and not the answer to the lookup
	wantCalls(t, l, attach.Proc, resultRewritten, 1)
}

func TestAttachDeviceUnknownDomain(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	write(t, client, frameOf(attach, attachArgs(deviceDoc)))
	lookup := readFrame(t, libvirt)
	write(t, libvirt, errorReply(lookup.Header, "no domain with matching uuid"))
	wantFrame(t, libvirt, frameOf(attach, attachArgs(deviceDoc)))
	write(t, libvirt, errorReply(attach, "no domain with matching uuid"))
	wantFrame(t, client, errorReply(attach, "no domain with matching uuid"))
	l.logged(t, "libvirt refused it too: asking libvirt for the domain of the device: no domain with matching uuid")
	wantCalls(t, l, attach.Proc, resultUnparsed, 0)
}

func TestAttachDeviceNoAnswer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	client, libvirt := l.connect(t)
	start := time.Now()
	write(t, client, frameOf(attach, attachArgs(deviceDoc)))
	lookup := readFrame(t, libvirt)
	wantFrame(t, libvirt, frameOf(attach, attachArgs(deviceDoc)))
	if d := time.Since(start); d < ownTimeout || d > 2*ownTimeout {
		t.Errorf("the call went on after %v", d)
	}
	// The answer that comes too late is not the client's either.
	write(t, libvirt, xmlDesc(t, lookup, domainDoc, 0), okReply(attach, nil))
	wantFrame(t, client, okReply(attach, nil))
	if e := l.logged(t, "no answer within 2s"); e.Data["DOMAIN"] != "instance-00000001" {
		t.Errorf("logged with %v", e.Data)
	}
	wantCalls(t, l, attach.Proc, resultUnparsed, 1)
}

// TestManyUnansweredCalls shows that the calls that wait for libvirt's answer are bounded:
// the client waits until libvirt has answered some.
func TestManyUnansweredCalls(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	doc := strings.Replace(domainDoc, "<os>", "<!--"+strings.Repeat("-=", 1<<20)+"--><os>", 1)
	call := func(serial uint32) []byte {
		h := define
		h.Serial = serial
		return frameOf(h, defineArgs(doc))
	}
	const calls = 12
	go func() {
		for i := range calls {
			client.Write(call(uint32(i)))
		}
	}()
	received := make(chan rpc.Message, calls)
	go func() {
		for range calls {
			m, err := nextFrame(libvirt)
			if err != nil {
				return
			}
			received <- m
		}
	}()
	time.Sleep(time.Second)
	if n := len(received); n == 0 || n > 1+maxPending/len(doc) {
		t.Fatalf("%d calls of %d bytes wait, the limit is %d bytes", n, len(doc), maxPending)
	}
	for i := range calls {
		m := <-received
		if m.Serial != uint32(i) {
			t.Fatalf("call %d came when %d was due", m.Serial, i)
		}
		write(t, libvirt, okReply(m.Header, nil))
		wantFrame(t, client, okReply(m.Header, nil))
	}
}

func TestNeedsDomain(t *testing.T) {
	for name, c := range map[string]struct {
		proc rpc.Procedure
		xml  string
		want bool
	}{
		"an interface with a filter":       {rpc.ProcDomainAttachDevice, deviceDoc, true},
		"a disk with a boot order":         {rpc.ProcDomainAttachDeviceFlags, "<disk><boot order='1'/></disk>", true},
		"a new disk without":               {rpc.ProcDomainAttachDeviceFlags, "<disk/>", false},
		"a disk that may have one":         {rpc.ProcDomainUpdateDeviceFlags, "<disk/>", true},
		"an interface that may have one":   {rpc.ProcDomainUpdateDeviceFlags, "<interface/>", true},
		"graphics, which cannot be booted": {rpc.ProcDomainUpdateDeviceFlags, "<graphics/>", false},
		"a new interface without a filter": {rpc.ProcDomainAttachDevice, "<interface/>", false},
	} {
		t.Run(name, func(t *testing.T) {
			call := rpc.XMLCall{Message: rpc.Message{Header: rpc.Header{Proc: c.proc}}, XML: []byte(c.xml)}
			if got := needsDomain(call); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestUpdateDeviceOrder: a device of the definition is held against the definition,
// and nothing is kept of one that loses no filter.
func TestUpdateDeviceOrder(t *testing.T) {
	const domain = `<domain type='kvm'><name>a</name><metadata>` +
		`<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0"><netboot:order type="disk" number="1" name="vda" value="1"/></netboot:domain>` +
		`</metadata><os><type>hvm</type></os><devices><disk><target dev='vda'/><boot order='2'/></disk></devices></domain>`
	const config = 2 // VIR_DOMAIN_AFFECT_CONFIG, VIR_DOMAIN_XML_INACTIVE
	client, libvirt := newLab(t).connect(t)
	update := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcDomainUpdateDeviceFlags, Type: rpc.TypeCall, Serial: 5}
	args := func(order string) []byte {
		doc := `<disk><target dev='vda'/><boot order='` + order + `'/></disk>`
		return binary.BigEndian.AppendUint32(rpc.AppendString(domainArg(), []byte(doc)), config)
	}
	write(t, client, frameOf(update, args("1")))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domain, config))
	wantFrame(t, libvirt, frameOf(update, args("2")))
	write(t, libvirt, okReply(update, nil))
	wantFrame(t, client, okReply(update, nil))
	wantPasses(t, client, libvirt)
}
