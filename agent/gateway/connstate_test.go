package gateway

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// step is something that the client or libvirt sends.
type step struct {
	libvirt bool // not the client
	bytes   []byte
	fds     int // that follow the bytes
}

// conversation is what a client and libvirt say to each other, with libvirt's answers to
// the gateway.
func conversation() []step {
	client := func(b ...[]byte) step { return step{bytes: bytes.Join(b, nil)} }
	libvirt := func(b ...[]byte) step { return step{libvirt: true, bytes: bytes.Join(b, nil)} }
	at := func(h rpc.Header, serial uint32) rpc.Header { h.Serial = serial; return h }
	open := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcConnectOpen, Type: rpc.TypeCall}
	own := func(proc rpc.Procedure, serial uint32) rpc.Header {
		return rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: proc, Type: rpc.TypeCall, Serial: serial + 1<<31}
	}
	document := rpc.AppendString(nil, []byte(domainDoc))
	streamEnd := at(streamData, 8)
	streamEnd.Status = rpc.StatusOK
	defineAt := func(serial uint32, doc string) []byte { return frameOf(at(define, serial), defineArgs(doc)) }
	return []step{
		client(defineAt(1, domainDoc)), // before it is let in
		libvirt(okReply(at(define, 1), domainArg())),
		client(frameOf(open, nil)),
		libvirt(okReply(open, nil), frameOf(ping, nil)),
		// Refused as rewritten, taken as written, and refused both ways.
		client(defineAt(11, domainDoc), frameOf(getLibVersion, nil)),
		libvirt(frameOf(ping, nil), errorReply(at(define, 11), "no boot <order>")),
		libvirt(okReply(getLibVersion, nil), okReply(at(define, 11), domainArg())),
		client(defineAt(12, domainDoc)),
		libvirt(errorReply(at(define, 12), "no")),
		libvirt(errorReply(at(define, 12), "not at all")),
		// Two at once, one that nobody can read, one that stays as it is.
		client(defineAt(13, domainDoc), defineAt(14, domainDoc), defineAt(15, "<domain"), defineAt(16, "<domain type='lxc'/>")),
		libvirt(okReply(at(define, 14), domainArg()), okReply(at(define, 13), domainArg())),
		libvirt(okReply(at(define, 15), domainArg()), okReply(at(define, 16), domainArg())),
		// A device: its domain, its undo records.
		client(frameOf(at(attach, 20), attachArgs(deviceDoc)), frameOf(at(streamData, 8), make([]byte, 100))),
		libvirt(okReply(own(rpc.ProcDomainGetXMLDesc, 20), document), frameOf(at(streamData, 9), make([]byte, 100))),
		libvirt(okReply(at(attach, 20), nil)),
		libvirt(okReply(own(rpc.ProcDomainGetXMLDesc, 20), document)),
		libvirt(okReply(own(rpc.ProcDomainSetMetadata, 20), nil), frameOf(ping, nil)),
		libvirt(okReply(own(rpc.ProcDomainGetXMLDesc, 20), document)),
		libvirt(okReply(own(rpc.ProcDomainSetMetadata, 20), nil)),
		// Descriptors.
		{bytes: frameOf(openFD, withFDs(2, []byte("args"))), fds: 2},
		{libvirt: true, bytes: okReply(rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: 295, Serial: 9}, nil)},
		client(frameOf(streamEnd, nil), frameOf(getLibVersion, nil)[:20]),
	}
}

// rig is a connection whose steps the test takes.
type rig struct {
	t               testing.TB
	srv             *Server
	conn            *conn
	client, libvirt *socket // the far ends
	toClient        []byte
	toLibvirt       []byte
	fds             int // received
	moves           int
	err             error // that ended the connection
	buf             []byte
}

func newRig(t testing.TB) (*rig, *logtest.Hook) {
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	srv := &Server{Log: log, Rewriter: func() domainxml.Rewriter { return domainxml.Rewriter{Policy: domainxml.DefaultPolicy()} }}
	if err := srv.prepare(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, srv: srv, buf: make([]byte, 64<<10)}
	var clientEnd, libvirtEnd *socket
	r.client, clientEnd = socketPair(t)
	r.libvirt, libvirtEnd = socketPair(t)
	r.conn = newConn(srv, srv.clientLog(peer{}), 0, clientEnd, libvirtEnd)
	return r, hook
}

func (r *rig) close() {
	r.conn.close()
	r.client.close()
	r.libvirt.close()
	r.srv.idle.close()
}

// send has one side send, and everything arrive.
func (r *rig) send(s step, b []byte, fds int) {
	r.t.Helper()
	from := r.client
	if s.libvirt {
		from = r.libvirt
	}
	if len(b) > 0 {
		if _, err := from.send(b, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	r.settle()
	for range fds {
		if _, err := from.send([]byte{0}, []int{0}); err != nil {
			r.t.Fatal(err)
		}
		r.settle()
	}
}

func (r *rig) settle() {
	r.t.Helper()
	for range 3 {
		if r.err == nil {
			r.err = r.conn.advance(true, true)
		}
		r.toClient = append(r.toClient, r.received(r.client)...)
		r.toLibvirt = append(r.toLibvirt, r.received(r.libvirt)...)
	}
}

func (r *rig) received(s *socket) (all []byte) {
	r.t.Helper()
	for {
		n, fds, err := s.recv(r.buf)
		r.fds += len(fds)
		closeFDs(fds)
		if errors.Is(err, unix.EAGAIN) || n == 0 {
			return all
		}
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, r.buf[:n]...)
	}
}

// move has another connection go on, as soon as that can be.
func (r *rig) move() bool {
	r.t.Helper()
	r.conn.moving = true
	if !r.conn.movable() {
		return false
	}
	var b bytes.Buffer
	if err := writeStates(&b, []connState{r.conn.state()}); err != nil {
		r.t.Fatal(err)
	}
	states, err := readStates(&b)
	if err != nil {
		r.t.Fatal(err)
	}
	old := r.conn
	r.conn = newConn(r.srv, old.log, old.uid, old.client, old.libvirt)
	r.srv.held.give(old.uid, old.held)
	if err := r.conn.restore(states[0]); err != nil {
		r.t.Fatal(err)
	}
	r.moves++
	r.settle()
	return true
}

// talk is the conversation, with moves where at says so of the bytes before, which may be
// later where the connection cannot move then.
func (r *rig) talk(at func(n int) bool) {
	r.t.Helper()
	n, due := 0, false
	for _, s := range conversation() {
		rest := s.bytes
		for len(rest) > 0 {
			size := 0
			for size < len(rest) && !(size > 0 && (due || at(n+size))) {
				size++
			}
			part := rest[:size]
			rest = rest[size:]
			n += size
			fds := 0
			if len(rest) == 0 {
				fds = s.fds
			}
			r.send(s, part, 0)
			if due = due || at(n); due {
				due = !r.move()
			}
			if fds > 0 {
				r.send(s, nil, fds)
			}
		}
		if due {
			due = !r.move()
		}
	}
	if err := r.client.endWriting(); err != nil {
		r.t.Fatal(err)
	}
	r.settle()
	if err := r.libvirt.endWriting(); err != nil {
		r.t.Fatal(err)
	}
	r.settle()
	if r.err != nil || !r.conn.calls.done() || !r.conn.replies.done() {
		r.t.Fatalf("the connection has not ended as it should: %v", r.err)
	}
}

// heard is all that can be seen of a conversation.
type heard struct {
	ToClient, ToLibvirt string
	FDs                 int
	Log                 []string
	Held                int
	Left                []int // calls without an answer, streams, pending calls
}

func (r *rig) heard(log *logtest.Hook) heard {
	h := heard{string(r.toClient), string(r.toLibvirt), r.fds, nil, r.srv.held.all, nil}
	h.Left = []int{r.conn.unanswered, len(r.conn.streams), len(r.conn.pending)}
	for _, e := range log.AllEntries() {
		h.Log = append(h.Log, fmt.Sprint(e.Level, e.Message, e.Data))
	}
	return h
}

// TestMoves: a connection that moves once in a conversation, or after each of its bytes,
// goes on as one that stays.
func TestMoves(t *testing.T) {
	synctest.Test(t, testMoves) // in which time stands still
}

func testMoves(t *testing.T) {
	stays, log := newRig(t)
	defer stays.close()
	stays.talk(func(int) bool { return false })
	want := stays.heard(log)
	if want.FDs != 2 || len(want.Log) < 8 || want.Held != 0 || !strings.Contains(want.ToLibvirt, "<boot dev='network'/>") {
		t.Fatalf("the conversation is another: %+v", want)
	}
	total := 0
	for _, s := range conversation() {
		total += len(s.bytes)
	}
	check := func(name string, at func(n int) bool) int {
		r, log := newRig(t)
		defer r.close()
		r.talk(at)
		if diff := cmp.Diff(want, r.heard(log)); diff != "" {
			t.Fatalf("moved %s: -stays +moves:\n%s", name, diff)
		}
		return r.moves
	}
	if moves := check("at every byte", func(int) bool { return true }); moves < total/2 {
		t.Errorf("%d moves in %d bytes", moves, total)
	}
	for cut := 1; cut < total; cut += 41 {
		if moves := check(fmt.Sprintf("at byte %d", cut), func(n int) bool { return n == cut }); moves != 1 {
			t.Errorf("%d moves at byte %d", moves, cut)
		}
	}
}

// FuzzMoves has a connection move between portions of what a client sends: all of it
// arrives, up to where it stops being libvirt's protocol.
func FuzzMoves(f *testing.F) {
	for _, seed := range seedStreams(f) {
		f.Add(seed, uint16(3))
		f.Add(seed, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		if len(b) > 100<<10 || len(b)/(int(size)+1) > 5000 {
			return // more than a socket holds, or than a machine has time for
		}
		r, _ := newRig(t)
		defer r.close()
		r.srv.Rewriter = noPolicy
		r.conn.open = true
		for rest := b; len(rest) > 0 && r.err == nil; {
			n := min(len(rest), int(size)+1)
			r.send(step{}, rest[:n], 0)
			rest = rest[n:]
			if len(r.conn.ownCalls) > 0 {
				return // the gateway asks for a device's domain, and nothing here answers
			}
			if r.err == nil && !r.move() {
				t.Fatal("it cannot move")
			}
		}
		if r.err == nil {
			if err := r.client.endWriting(); err != nil {
				t.Fatal(err)
			}
			r.settle()
		}
		want, wantErr := passed(b)
		if !bytes.Equal(r.toLibvirt, want) {
			t.Fatalf("got %q, want %q", r.toLibvirt, want)
		}
		if wantErr != (r.err != nil) {
			t.Fatalf("ended with %v", r.err)
		}
	})
}

var update = flag.Bool("update", false, "write the shape of the state")

// TestStateVersion: another shape of the state has another version.
func TestStateVersion(t *testing.T) {
	const file = "testdata/state"
	got := fmt.Sprintf("version %d\n%s", stateVersion, shape(reflect.TypeFor[connState](), ""))
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(want), "\n")
	if got == string(want) {
		return
	}
	if strings.HasPrefix(got, version+"\n") {
		t.Fatalf("the state has another shape: change stateVersion, and run the test with -update. -want +got:\n%s", cmp.Diff(string(want), got))
	}
	if !*update {
		t.Fatal("run the test with -update")
	}
	if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shape is what gob writes of a type.
func shape(t reflect.Type, indent string) string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return ""
	}
	var s strings.Builder
	for i := range t.NumField() {
		f := t.Field(i)
		fmt.Fprintf(&s, "%s%s %s\n%s", indent, f.Name, f.Type, shape(f.Type, indent+"  "))
	}
	return s.String()
}
