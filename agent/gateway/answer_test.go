package gateway

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// TestUnread: what could not be read counts if libvirt takes it.
func TestUnread(t *testing.T) {
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
				answer, result, level := okReply(tt.call, domainArg()), 1.0, logrus.ErrorLevel
				text, domain := "passed on unchanged, and libvirt took it", tt.domain
				if !taken {
					answer, result, level = errorReply(tt.call, "XML error: S3cret"), 0, logrus.InfoLevel
					text, domain = "passed on unchanged, and libvirt refused it too", ""
				}
				write(t, libvirt, answer)
				wantFrame(t, client, answer)
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
	write(t, libvirt, errorReply(createWithFiles, "unsupported configuration"))
	time.Sleep(50 * time.Millisecond) // for the gateway to have it
	write(t, client, other[500:])
	rest := make([]byte, len(other)-500)
	if _, err := io.ReadFull(libvirt, rest); err != nil || !bytes.Equal(rest, other[500:]) {
		t.Fatalf("the rest of the message is another: %v", err)
	}

	wantFrame(t, libvirt, original)
	wantSameFile(t, recvFD(t, libvirt), f)
	wantCalls(t, l, createWithFiles.Proc, resultRefused, 0) // not yet
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
	wantCalls(t, l, createWithFiles.Proc, resultRefused, 1)
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
	for _, code := range []rpc.ErrorCode{1, rpc.ErrAccessDenied} {
		t.Run(fmt.Sprint("error ", code), func(t *testing.T) {
			l := newLab(t)
			client, libvirt := l.connect(t)
			refusal := errorReplyWith(code, define, "process exited: -fw_cfg name=opt/x,string="+secret+",bogus=1: Invalid parameter 'bogus'")
			write(t, client, frameOf(define, defineArgs(doc)))
			readFrame(t, libvirt)
			write(t, libvirt, refusal)
			if code != rpc.ErrAccessDenied {
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
			if l.OriginalSent("instance-00000001") {
				t.Error("it is sent again before libvirt has refused it")
			}
			write(t, libvirt, errorReply(define, c.first))
			wantFrame(t, libvirt, frameOf(define, defineArgs(domainDoc)))
			if !l.OriginalSent("instance-00000001") {
				t.Error("it is not said that it is sent again")
			}
			write(t, libvirt, errorReply(define, c.second))
			wantFrame(t, client, errorReply(define, c.second))
			if e := l.logged(t, "libvirt refused"); e.Message != c.logged || e.Level != logrus.InfoLevel {
				t.Errorf("logged at %v %q, want %q", e.Level, e.Message, c.logged)
			}
			wantCalls(t, l, define.Proc, resultRefused, 0)
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
	write(t, libvirt, errorReply(define, "no"))
	readFrame(t, libvirt)
	libvirt.Close()
	wantEOF(t, client)
	l.logged(t, "the connection ended before it answered to it as the client wrote it: no")
	wantCalls(t, l, define.Proc, resultRefused, 0)
}

func TestRefusalIsFinal(t *testing.T) {
	l := newLab(t, func(s *Server) { s.RefusalIsFinal = func() bool { return true } })
	client, libvirt := l.connect(t)
	write(t, client, frameOf(define, defineArgs(domainDoc)))
	readFrame(t, libvirt)
	write(t, libvirt, errorReply(define, "as rewritten"))
	wantFrame(t, client, errorReply(define, "as rewritten"))
	l.logged(t, "the client gets the refusal; whether libvirt takes it as the client wrote it was not tried: as rewritten")
	wantCalls(t, l, define.Proc, resultRefused, 1)
}

// TestDenied: what the client may not do has nothing to do with the document.
func TestDenied(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	denial := errorReplyWith(rpc.ErrAccessDenied, define, "access denied: 'QEMU' denied access")
	write(t, client, frameOf(define, defineArgs(domainDoc)))
	readFrame(t, libvirt)
	write(t, libvirt, denial)
	wantFrame(t, client, denial)
	wantCalls(t, l, define.Proc, resultRefused, 0)
	l.logged(t, "libvirt does not let this client do DOMAIN_DEFINE_XML_FLAGS with domain instance-00000001: access denied")
	wantPasses(t, client, libvirt)
}

func TestNobodyToAskForAPassword(t *testing.T) {
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
