package gateway

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

var (
	define          = header{prog: ProgramRemote, vers: 1, proc: ProcDomainDefineXMLFlags, typ: typeCall, serial: 11}
	attach          = header{prog: ProgramRemote, vers: 1, proc: ProcDomainAttachDeviceFlags, typ: typeCall, serial: 12}
	createWithFiles = header{prog: ProgramRemote, vers: 1, proc: ProcDomainCreateXMLWithFiles, typ: typeCallWithFDs, serial: 13}
)

func rewritten(t testing.TB, doc string) string {
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
	wantFrame(t, libvirt, frameOf(define, defineArgs(rewritten(t, domainDoc))))
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
	wantCalls(t, l, ProcDomainDefineXMLFlags, resultRewritten, 1)
}

func wantCalls(t testing.TB, l *lab, proc Procedure, result string, want float64) {
	t.Helper()
	labels := map[string]string{"procedure": proc.String(), "result": result}
	if n := l.count(t, "virt_netboot_gateway_calls_total", labels); n != want {
		t.Errorf("%v calls of %s counted as %s, want %v", n, proc, result, want)
	}
}

func TestPassesUnchanged(t *testing.T) {
	for name, tt := range map[string]struct {
		call []byte
		proc Procedure
	}{
		"rewritten already":       {frameOf(define, defineArgs(rewritten(t, domainDoc))), define.proc},
		"another hypervisor":      {frameOf(define, defineArgs("<domain type='lxc'><name>a</name></domain>")), define.proc},
		"device without a filter": {frameOf(attach, attachArgs("<disk/>")), attach.proc},
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

// TestUnread: what could not be read counts if libvirt takes it.
func TestUnread(t *testing.T) {
	const mend = "mend that where the document is made; until then the rules reach the domain only now that libvirt has it, for its next start"
	secondOS := strings.Replace(domainDoc, "<devices>", "<os/>\n<devices>", 1)
	for name, tt := range map[string]struct {
		call   header
		args   []byte
		domain string // that libvirt is known to have
		why    []string
	}{
		"no XML":                 {define, defineArgs("no XML"), "instance-00000001", []string{"line 1, column 1", mend}},
		"half a document":        {define, defineArgs(domainDoc[:100]), "instance-00000001", []string{"line 3", mend}},
		"two <os>":               {define, defineArgs(secondOS), "instance-00000001", []string{"a second <os>", mend}},
		"with files":             {createWithFiles, withFDs(0, defineArgs("no XML")), "instance-00000001", []string{"line 1", mend}},
		"truncated arguments":    {define, defineArgs(domainDoc)[:40], "instance-00000001", []string{"too early; the rules reach"}},
		"longer than any string": {define, defineArgs(strings.Repeat(" ", maxCall)), "instance-00000001", []string{"bytes; the rules reach"}},
		"a device's arguments":   {attach, attachArgs(deviceDoc)[:10], "", []string{"too early; the rules reach"}},
	} {
		for _, taken := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", taken ", taken), func(t *testing.T) {
				l := newLab(t, func(s *Server) { s.DrainTimeout = time.Minute })
				client, libvirt := l.connect(t)
				go client.Write(frameOf(tt.call, tt.args))
				wantFrame(t, libvirt, frameOf(tt.call, tt.args))
				answer, result, level := okReply(tt.call, domainArg()), 1.0, logrus.ErrorLevel
				text, domain := "passed on unchanged, and libvirt took it", tt.domain
				if !taken {
					answer, result, level = errorReply(tt.call, "XML error: S3cret").bytes, 0, logrus.InfoLevel
					text, domain = "passed on unchanged, and libvirt refused it too", ""
				}
				write(t, libvirt, answer)
				wantFrame(t, client, answer)
				wantCalls(t, l, tt.call.proc, resultUnparsed, result)
				e := l.logged(t, text)
				if e.Level != level || e.Data["DOMAIN"] != cmp.Or(domain, "unknown") || e.Data["PROCEDURE"] != tt.call.proc.String() {
					t.Errorf("logged at %v with %v", e.Level, e.Data)
				}
				for _, why := range tt.why {
					if taken && !strings.Contains(e.Message, why) {
						t.Errorf("logged %q, want %q", e.Message, why)
					}
				}
				if strings.Contains(e.Message, "S3cret") {
					t.Errorf("logged %q", e.Message)
				}
				wantPasses(t, client, libvirt)
				go l.stop()
				wantEOF(t, client) // at once, as nothing is under way
			})
		}
	}
}

func TestOtherProgramsPass(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	for _, h := range []header{
		{prog: ProgramQEMU, vers: 1, proc: define.proc, typ: typeCall, serial: 1},
		{prog: ProgramRemote, vers: 1, proc: define.proc, typ: typeReply, serial: 1},
		{prog: ProgramRemote, vers: 1, proc: define.proc, typ: typeMessage},
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
	wantFrame(t, libvirt, frameOf(createWithFiles, withFDs(1, defineArgs(rewritten(t, domainDoc)))))
	wantSameFile(t, recvFD(t, libvirt), f)
	wantFrame(t, libvirt, frameOf(getLibVersion, nil))
}

// xmlDesc is libvirt's answer to a lookup of the gateway.
func xmlDesc(t testing.TB, lookup message, doc string, flags uint32) []byte {
	t.Helper()
	if lookup.head.prog != ProgramRemote || lookup.head.proc != ProcDomainGetXMLDesc || lookup.head.typ != typeCall {
		t.Fatalf("the gateway asked %+v, want DOMAIN_GET_XML_DESC", lookup.head)
	}
	if want := binary.BigEndian.AppendUint32(domainArg(), flags); !bytes.Equal(lookup.bytes[headerSize:], want) {
		t.Fatalf("the gateway asked with %q, want %q", lookup.bytes[headerSize:], want)
	}
	return okReply(lookup.head, appendString(nil, []byte(doc)))
}

func TestAttachDevice(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	next := frameOf(getLibVersion, nil)
	write(t, client, frameOf(attach, attachArgs(deviceDoc)), next)
	lookup := readFrame(t, libvirt)
	if lookup.head.serial == attach.serial {
		t.Fatal("the gateway uses the client's serial")
	}
	// An event in between reaches the client.
	write(t, libvirt, frameOf(ping, nil), xmlDesc(t, lookup, domainDoc, 0))
	wantFrame(t, libvirt, frameOf(attach, attachArgs(rewrittenDevice(t))))
	wantFrame(t, libvirt, next)
	write(t, libvirt, okReply(attach, nil))
	keptIn(t, libvirt, readFrame(t, libvirt), domainDoc, 0, 1)
	keptIn(t, libvirt, readFrame(t, libvirt), domainDoc, 2, 2)
	wantFrame(t, client, frameOf(ping, nil))
	wantFrame(t, client, okReply(attach, nil)) // and not the answer to the lookup
	wantCalls(t, l, attach.proc, resultRewritten, 1)
}

func TestAttachDeviceUnknownDomain(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	write(t, client, frameOf(attach, attachArgs(deviceDoc)))
	lookup := readFrame(t, libvirt)
	write(t, libvirt, errorReply(lookup.head, "no domain with matching uuid").bytes)
	wantFrame(t, libvirt, frameOf(attach, attachArgs(deviceDoc)))
	write(t, libvirt, errorReply(attach, "no domain with matching uuid").bytes)
	wantFrame(t, client, errorReply(attach, "no domain with matching uuid").bytes)
	l.logged(t, "libvirt refused it too: asking libvirt for the domain of the device: no domain with matching uuid")
	wantCalls(t, l, attach.proc, resultUnparsed, 0)
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
	wantCalls(t, l, attach.proc, resultUnparsed, 1)
}

func TestRefusedIsSentAgainAsItWas(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	f := tempFile(t)
	original := frameOf(createWithFiles, withFDs(1, defineArgs(domainDoc)))
	write(t, client, original)
	sendFD(t, client, f)
	readFrame(t, libvirt)
	recvFD(t, libvirt)

	// The client is in the middle of another message: ours has to wait for it.
	other := frameOf(streamData, make([]byte, 1000))
	write(t, client, other[:500])
	if _, err := io.ReadFull(libvirt, make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	write(t, libvirt, errorReply(createWithFiles, "unsupported configuration").bytes)
	time.Sleep(50 * time.Millisecond) // for the gateway to have it
	write(t, client, other[500:])
	rest := make([]byte, len(other)-500)
	if _, err := io.ReadFull(libvirt, rest); err != nil || !bytes.Equal(rest, other[500:]) {
		t.Fatalf("the rest of the message is another: %v", err)
	}

	wantFrame(t, libvirt, original)
	wantSameFile(t, recvFD(t, libvirt), f)
	wantCalls(t, l, createWithFiles.proc, resultRefused, 0) // not yet
	var others []*os.File                                   // that may get the number of the descriptor sent
	for range 20 {
		others = append(others, tempFile(t))
	}
	write(t, libvirt, okReply(createWithFiles, domainArg()))
	wantFrame(t, client, okReply(createWithFiles, domainArg()))
	for _, other := range others {
		if _, err := other.Stat(); err != nil {
			t.Errorf("the gateway has closed what is not its own: %v", err)
		}
	}
	wantCalls(t, l, createWithFiles.proc, resultRefused, 1)
	if d, _ := l.logged(t, "libvirt refused").Data["DIFF"].(string); !strings.Contains(d, "-      <filterref filter='nova-base'/>") {
		t.Errorf("the diff of what libvirt refused:\n%s", d)
	}
	if e := l.logged(t, "libvirt refused"); e.Level != logrus.WarnLevel || !strings.HasSuffix(e.Message, "unsupported configuration") {
		t.Errorf("logged %v %q", e.Level, e.Message)
	}
}

// TestNoSecretLogged: libvirt's message quotes QEMU's command line, and the diff has
// it beside a line that changes.
func TestNoSecretLogged(t *testing.T) {
	const secret = "S3CRETVALUE"
	doc := strings.Replace(domainDoc, "<os>", "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"+
		"<q:arg value='name=opt/x,string="+secret+",bogus=1'/></q:commandline><os>", 1)
	doc = strings.Replace(doc, "</interface>", "</interface>\n    <graphics type='vnc' passwd='"+secret+"'/>", 1)
	for _, code := range []errorCode{1, errAccessDenied} {
		t.Run(fmt.Sprint("error ", code), func(t *testing.T) {
			l := newLab(t)
			client, libvirt := l.connect(t)
			refusal := errorReplyWith(code, define, "process exited: -fw_cfg name=opt/x,string="+secret+",bogus=1: Invalid parameter 'bogus'").bytes
			write(t, client, frameOf(define, defineArgs(doc)))
			readFrame(t, libvirt)
			write(t, libvirt, refusal)
			if code != errAccessDenied {
				wantFrame(t, libvirt, frameOf(define, defineArgs(doc)))
				write(t, libvirt, refusal)
			}
			wantFrame(t, client, refusal) // and the client sees all of it
			l.logged(t, "a message that is not shown")
			for _, e := range l.log.AllEntries() {
				if line, err := e.String(); err != nil || strings.Contains(line, secret) {
					t.Errorf("%v: logged %s", err, line)
				}
			}
		})
	}
}

// TestRefusedTwice: what libvirt does not take as the client wrote it has nothing to
// do with the rewriting.
func TestRefusedTwice(t *testing.T) {
	for name, c := range map[string]struct{ first, second, logged string }{
		"alike":     {"no such disk", "no such disk", "libvirt refused domain instance-00000001 as the client wrote it, too: no such disk"},
		"otherwise": {"no such disk", "no hook", "libvirt refused domain instance-00000001 as the client wrote it, too: no hook; as rewritten: no such disk"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			client, libvirt := l.connect(t)
			write(t, client, frameOf(define, defineArgs(domainDoc)))
			readFrame(t, libvirt)
			if l.Resent("instance-00000001") {
				t.Error("it is sent again before libvirt has refused it")
			}
			write(t, libvirt, errorReply(define, c.first).bytes)
			wantFrame(t, libvirt, frameOf(define, defineArgs(domainDoc)))
			if !l.Resent("instance-00000001") {
				t.Error("nobody knows that it is sent again")
			}
			write(t, libvirt, errorReply(define, c.second).bytes)
			wantFrame(t, client, errorReply(define, c.second).bytes)
			if e := l.logged(t, "libvirt refused"); e.Message != c.logged || e.Level != logrus.InfoLevel {
				t.Errorf("logged at %v %q, want %q", e.Level, e.Message, c.logged)
			}
			wantCalls(t, l, define.proc, resultRefused, 0)
			wantPasses(t, client, libvirt)
		})
	}
}

// TestRefusedAndGone: libvirt ends before it says whether it was the rewriting.
func TestRefusedAndGone(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	write(t, client, frameOf(define, defineArgs(domainDoc)))
	readFrame(t, libvirt)
	write(t, libvirt, errorReply(define, "no").bytes)
	readFrame(t, libvirt)
	libvirt.Close()
	wantEOF(t, client)
	l.logged(t, "the connection ended before it answered to it as the client wrote it: no")
	wantCalls(t, l, define.proc, resultRefused, 0)
}

func TestRefusalIsFinal(t *testing.T) {
	l := newLab(t, func(s *Server) { s.RefusalIsFinal = func() bool { return true } })
	client, libvirt := l.connect(t)
	write(t, client, frameOf(define, defineArgs(domainDoc)))
	readFrame(t, libvirt)
	write(t, libvirt, errorReply(define, "as rewritten").bytes)
	wantFrame(t, client, errorReply(define, "as rewritten").bytes)
	l.logged(t, "the client gets the refusal; whether libvirt takes it as the client wrote it was not tried: as rewritten")
	wantCalls(t, l, define.proc, resultRefused, 1)
}

// TestDenied: what the client may not do has nothing to do with the document.
func TestDenied(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	denial := errorReplyWith(errAccessDenied, define, "access denied: 'QEMU' denied access").bytes
	write(t, client, frameOf(define, defineArgs(domainDoc)))
	readFrame(t, libvirt)
	write(t, libvirt, denial)
	wantFrame(t, client, denial)
	wantCalls(t, l, define.proc, resultRefused, 0)
	l.logged(t, "libvirt does not let this client do DOMAIN_DEFINE_XML_FLAGS with domain instance-00000001: access denied")
	wantPasses(t, client, libvirt)
}

func TestNobodyToAskForAPassword(t *testing.T) {
	auth := header{prog: ProgramRemote, vers: 1, proc: ProcAuthPolkit, typ: typeCall, serial: 3}
	for name, c := range map[string]struct {
		reply []byte
		warns bool
	}{
		"let in":           {okReply(auth, []byte{0, 0, 0, 1}), false},
		"refused":          {errorReplyWith(45, auth, "authentication failed").bytes, false},
		"wants a password": {errorReplyWith(errAuthUnavailable, auth, "no polkit agent").bytes, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(s *Server) { s.DrainTimeout = time.Minute })
			client, libvirt := l.connect(t)
			write(t, client, frameOf(auth, nil))
			readFrame(t, libvirt)
			write(t, libvirt, c.reply)
			wantFrame(t, client, c.reply)
			wantPasses(t, client, libvirt)
			if c.warns {
				l.logged(t, "or have it use libvirt's own socket "+l.Upstream())
			} else if n := len(l.log.AllEntries()); n != 0 {
				t.Errorf("%d log lines", n)
			}
			go l.stop()
			wantEOF(t, client) // at once, as nothing is under way
		})
	}
}

// TestManyUnansweredCalls shows that the calls kept for a second try are bounded:
// the client waits until libvirt has answered some.
func TestManyUnansweredCalls(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	doc := strings.Replace(domainDoc, "<os>", "<!--"+strings.Repeat("-=", 1<<20)+"--><os>", 1)
	call := func(serial uint32) []byte {
		h := define
		h.serial = serial
		return frameOf(h, defineArgs(doc))
	}
	const calls = 12
	go func() {
		for i := range calls {
			client.Write(call(uint32(i)))
		}
	}()
	received := make(chan message, calls)
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
	if n := len(received); n == 0 || n > 1+maxKept/len(doc) {
		t.Fatalf("%d calls of %d bytes are kept, the limit is %d bytes", n, len(doc), maxKept)
	}
	for i := range calls {
		m := <-received
		if m.head.serial != uint32(i) {
			t.Fatalf("call %d came when %d was due", m.head.serial, i)
		}
		write(t, libvirt, okReply(m.head, nil))
		wantFrame(t, client, okReply(m.head, nil))
	}
}

func TestNeedsDomain(t *testing.T) {
	for name, c := range map[string]struct {
		proc Procedure
		xml  string
		want bool
	}{
		"an interface with a filter":       {ProcDomainAttachDevice, deviceDoc, true},
		"a disk with a boot order":         {ProcDomainAttachDeviceFlags, "<disk><boot order='1'/></disk>", true},
		"a new disk without":               {ProcDomainAttachDeviceFlags, "<disk/>", false},
		"a disk that may have one":         {ProcDomainUpdateDeviceFlags, "<disk/>", true},
		"an interface that may have one":   {ProcDomainUpdateDeviceFlags, "<interface/>", true},
		"graphics, which cannot be booted": {ProcDomainUpdateDeviceFlags, "<graphics/>", false},
		"a new interface without a filter": {ProcDomainAttachDevice, "<interface/>", false},
	} {
		t.Run(name, func(t *testing.T) {
			call := xmlCall{message: message{head: header{proc: c.proc}}, xml: []byte(c.xml)}
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
	update := header{prog: ProgramRemote, vers: 1, proc: ProcDomainUpdateDeviceFlags, typ: typeCall, serial: 5}
	args := func(order string) []byte {
		doc := `<disk><target dev='vda'/><boot order='` + order + `'/></disk>`
		return binary.BigEndian.AppendUint32(appendString(domainArg(), []byte(doc)), config)
	}
	write(t, client, frameOf(update, args("1")))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domain, config))
	wantFrame(t, libvirt, frameOf(update, args("2")))
	write(t, libvirt, okReply(update, nil))
	wantFrame(t, client, okReply(update, nil))
	wantPasses(t, client, libvirt)
}
