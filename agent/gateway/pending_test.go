package gateway

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
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
	relay(t, libvirt, client, okReply(define, domainArg()))

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

func wantCalls(t testing.TB, l *lab, proc rpc.Procedure, result string, want int) {
	t.Helper()
	if n := value(l.Metrics.calls.WithLabelValues(proc.String(), result)); n != want {
		t.Errorf("%d calls of %s counted as %s, want %d", n, proc, result, want)
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
			relay(t, client, libvirt, tt.call)
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
		relay(t, client, libvirt, frameOf(h, defineArgs(domainDoc)))
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
	relay(t, client, libvirt, frameOf(define, defineArgs(doc)))
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
	wantSaved(t, libvirt, readFrame(t, libvirt), domainDoc, domainDoc)
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
	relay(t, libvirt, client, errorReply(attach, "no domain with matching uuid"))
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
	if d := time.Since(start); d < ownTimeout {
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
	t.Parallel()
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
	eventually(t, "the first call comes", func() bool { return len(received) > 0 })
	time.Sleep(time.Second) // for those that should not come
	if n := len(received); n > 1+maxPending/len(doc) {
		t.Fatalf("%d calls of %d bytes wait, the limit is %d bytes", n, len(doc), maxPending)
	}
	for i := range calls {
		m := <-received
		if m.Serial != uint32(i) {
			t.Fatalf("call %d came when %d was due", m.Serial, i)
		}
		relay(t, libvirt, client, okReply(m.Header, nil))
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
		"one that may have been detached":  {rpc.ProcDomainAttachDevice, "<interface/>", true},
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
		`<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0"><netboot:order device="disk" name="vda" position="1">` +
		`<netboot:was><boot order='1'/></netboot:was><netboot:wrote><boot order='2'/></netboot:wrote></netboot:order></netboot:domain>` +
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
	relay(t, libvirt, client, okReply(update, nil))
	wantPasses(t, client, libvirt)
}

// TestUnread: what could not be read counts if libvirt takes it.
func TestUnread(t *testing.T) {
	t.Parallel()
	const fix = "fix that where the document is made; until then the rules reach the domain only now that libvirt has it, for its next start"
	secondOS := strings.Replace(domainDoc, "<devices>", "<os/>\n<devices>", 1)
	for name, tt := range map[string]struct {
		call   rpc.Header
		args   []byte
		domain string // that libvirt is known to have
		why    []string
	}{
		"no XML":                 {define, defineArgs("no XML"), "instance-00000001", []string{"line 1, column 1", fix}},
		"half a document":        {define, defineArgs(domainDoc[:100]), "instance-00000001", []string{"line 3", fix}},
		"two <os>":               {define, defineArgs(secondOS), "instance-00000001", []string{"a second <os>", fix}},
		"with files":             {createWithFiles, withFDs(0, defineArgs("no XML")), "instance-00000001", []string{"line 1", fix}},
		"truncated arguments":    {define, defineArgs(domainDoc)[:40], "instance-00000001", []string{"too early; the rules reach"}},
		"longer than any string": {define, defineArgs(strings.Repeat(" ", rpc.MaxCall)), "instance-00000001", []string{"bytes; the rules reach"}},
		"a device's arguments":   {attach, attachArgs(deviceDoc)[:10], "", []string{"too early; the rules reach"}},
	} {
		for _, taken := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", taken ", taken), func(t *testing.T) {
				l := newLab(t, func(s *Server) { s.DrainTimeout = time.Minute })
				client, libvirt := l.connect(t)
				go client.Write(frameOf(tt.call, tt.args))
				wantFrame(t, libvirt, frameOf(tt.call, tt.args))
				answer, result, level := okReply(tt.call, domainArg()), 1, logrus.ErrorLevel
				text, domain := "passed on unchanged, and libvirt took it", tt.domain
				if !taken {
					answer, result, level = errorReply(tt.call, "XML error: S3cret"), 0, logrus.InfoLevel
					text, domain = "passed on unchanged, and libvirt refused it too", ""
				}
				relay(t, libvirt, client, answer)
				wantCalls(t, l, tt.call.Proc, resultUnparsed, result)
				e := l.logged(t, text)
				if e.Level != level || e.Data["DOMAIN"] != cmp.Or(domain, "unknown") || e.Data["PROCEDURE"] != tt.call.Proc.String() {
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

// TestRefusals: libvirt answers to the call as rewritten, and where it has refused that
// to the call as the client wrote it; the client gets the last answer. Nothing that may
// be a secret of the document is logged: libvirt's message may quote QEMU's command
// line, and the diff has it beside a line that changes.
func TestRefusals(t *testing.T) {
	const secret = "f1ddle5k"
	asRewritten := "libvirt refused domain instance-00000001 as rewritten (boot order network, hd instead of hd; filterref nova-base removed from interface fa:16:3e:50:43:cd)"
	withPassword := strings.Replace(domainDoc, "</interface>", "</interface>\n    "+vncPassword, 1)
	withCommand := strings.Replace(withPassword, "<os>", commandLine+"<os>", 1)
	quoting := "process exited: -fw_cfg name=opt/x,string=" + secret + ",bogus=1: Invalid parameter 'bogus'"
	refusal := func(text string) []byte { return errorReply(define, text) }
	denial := errorReplyWith(rpc.ErrAccessDenied, define, quoting)
	for name, c := range map[string]struct {
		doc     string
		final   bool
		answers [][]byte // nil: the connection ends
		level   logrus.Level
		logged  string
		refused int // counted
	}{
		"taken as written":  {withPassword, false, [][]byte{refusal("no such disk"), okReply(define, domainArg())}, logrus.WarnLevel, asRewritten + " and took it as the client wrote it: no such disk", 1},
		"refused alike":     {withPassword, false, [][]byte{refusal("no such disk"), refusal("no such disk")}, logrus.InfoLevel, "libvirt refused domain instance-00000001 as the client wrote it, too: no such disk", 0},
		"refused otherwise": {withPassword, false, [][]byte{refusal("no such disk"), refusal("no hook")}, logrus.InfoLevel, "libvirt refused domain instance-00000001 as the client wrote it, too: no hook; as rewritten: no such disk", 0},
		"no second answer":  {withPassword, false, [][]byte{refusal("no"), nil}, logrus.WarnLevel, asRewritten + ", and the connection ended before it answered to it as the client wrote it: no", 0},
		"final":             {withPassword, true, [][]byte{refusal("no")}, logrus.WarnLevel, asRewritten + ", and the client gets the refusal; whether libvirt takes it as the client wrote it was not tried: no", 1},
		"denied":            {withCommand, false, [][]byte{denial}, logrus.InfoLevel, "libvirt does not let this client do DOMAIN_DEFINE_XML_FLAGS with domain instance-00000001: a message that is not shown", 0},
		"quotes a secret":   {withCommand, false, [][]byte{refusal(quoting), refusal(quoting)}, logrus.InfoLevel, "as the client wrote it, too: a message that is not shown", 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(s *Server) { s.RefusalIsFinal = func() bool { return c.final } })
			client, libvirt := l.connect(t)
			original := frameOf(define, defineArgs(c.doc))
			write(t, client, original)
			wantFrame(t, libvirt, frameOf(define, defineArgs(rewrittenDoc(t, c.doc))))
			for i, answer := range c.answers {
				if sent := l.OriginalSent("instance-00000001"); sent != (i > 0) {
					t.Errorf("before answer %d the original is sent: %t", i, sent)
				}
				if answer == nil {
					libvirt.Close()
					wantEOF(t, client)
					break
				}
				write(t, libvirt, answer)
				if i < len(c.answers)-1 {
					wantFrame(t, libvirt, original)
					continue
				}
				wantFrame(t, client, answer)
				wantPasses(t, client, libvirt)
			}
			e := l.logged(t, c.logged)
			diff, _ := e.Data["DIFF"].(string)
			if e.Level != c.level || strings.Contains(diff, "-      <filterref filter='nova-base'/>") != (c.refused > 0) {
				t.Errorf("logged at %v with the diff\n%s", e.Level, diff)
			}
			wantCalls(t, l, define.Proc, resultRefused, c.refused)
			for _, e := range l.log.AllEntries() {
				if line, err := e.String(); err != nil || strings.Contains(line, secret) {
					t.Errorf("%v: logged %s", err, line)
				}
			}
		})
	}
}

func TestSendsOriginal(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	f := tempFile(t)
	original := frameOf(createWithFiles, withFDs(1, defineArgs(domainDoc)))
	write(t, client, original)
	sendFD(t, client, f)
	readFrame(t, libvirt)
	recvFD(t, libvirt)

	answerMidFrame(t, client, libvirt, errorReply(createWithFiles, "unsupported configuration"))
	wantFrame(t, libvirt, original)
	wantSameFile(t, recvFD(t, libvirt), f)
	wantCalls(t, l, createWithFiles.Proc, resultRefused, 0) // not yet
	var others []*os.File                                   // that may get the number of the descriptor sent
	for range 20 {
		others = append(others, tempFile(t))
	}
	relay(t, libvirt, client, okReply(createWithFiles, domainArg()))
	for _, other := range others {
		if _, err := other.Stat(); err != nil {
			t.Errorf("the gateway has closed what is not its own: %v", err)
		}
	}
	wantCalls(t, l, createWithFiles.Proc, resultRefused, 1)
}

func TestPolkitCannotAsk(t *testing.T) {
	auth := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcAuthPolkit, Type: rpc.TypeCall, Serial: 3}
	for name, c := range map[string]struct {
		reply []byte
		warns bool
	}{
		"let in":           {okReply(auth, []byte{0, 0, 0, 1}), false},
		"refused":          {errorReplyWith(45, auth, "authentication failed"), false},
		"wants a password": {errorReplyWith(rpc.ErrAuthUnavailable, auth, "no polkit agent"), true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(s *Server) { s.DrainTimeout = time.Minute })
			client, libvirt := l.connect(t)
			write(t, client, frameOf(auth, nil))
			readFrame(t, libvirt)
			relay(t, libvirt, client, c.reply)
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

func TestOriginalSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Server
		s.noteOriginal("a")
		time.Sleep(originalFor - 1)
		s.noteOriginal("a")
		time.Sleep(originalFor - 1)
		if !s.OriginalSent("a") || s.OriginalSent("b") {
			t.Error("it does not know of the latest")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s.OriginalSent("a") {
			t.Error("it does not forget")
		}
	})
}
