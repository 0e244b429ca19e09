package gateway

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
	"golang.org/x/sys/unix"
)

// alone runs a test in a process of its own, and reports whether this is that one.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv("ALONE") == t.Name() {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ALONE="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// fillFDs lets this process open no further descriptor until the returned function
// is called.
func fillFDs(t *testing.T) (makeRoom func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(next)
	set := func(limit unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.Rlimit{Cur: uint64(next), Max: limit.Max})
	return func() { set(limit) }
}

// TestLostDescriptors receives a descriptor that there is no room for.
func TestLostDescriptors(t *testing.T) {
	if !alone(t) {
		return
	}
	from, to := socketPair(t)
	if _, err := from.send([]byte{0}, []int{from.fd}); err != nil {
		t.Fatal(err)
	}
	defer fillFDs(t)()
	_, _, err := to.recv(make([]byte, 10))
	if want := "descriptors were lost: too many are open; raise LimitNOFILE= of the service"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestNoRoomForAClient has a client come for whom there is no descriptor, until there is.
func TestNoRoomForAClient(t *testing.T) {
	if !alone(t) {
		return
	}
	l := newLab(t)
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	makeRoom := fillFDs(t)
	if err := unix.Connect(client, &unix.SockaddrUnix{Name: l.path}); err != nil {
		t.Fatal(err)
	}
	e := l.logged(t, "clients have to wait: accepting one on ")
	makeRoom()
	if _, err := l.libvirt.Accept(); err != nil {
		t.Fatal(err)
	}
	if want := "too many open files; raise LimitNOFILE= of the service"; e.Level != logrus.ErrorLevel || !strings.HasSuffix(e.Message, want) {
		t.Errorf("logged at %v %q, want %q", e.Level, e.Message, want)
	}
}

// TestNothingBeforeOpen: until libvirt has let a client in, what it sends passes unread.
func TestNothingBeforeOpen(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connectUnopened(t)
	call := frameOf(define, defineArgs(domainDoc))
	exchange(t, client, libvirt, call)
	open := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcConnectOpen, Type: rpc.TypeCall, Serial: 7}
	exchange(t, client, libvirt, frameOf(open, nil))
	open.Type, open.Status = rpc.TypeReply, rpc.StatusError
	exchange(t, libvirt, client, frameOf(open, nil))
	write(t, client, call)
	wantFrame(t, libvirt, call)
	wantCalls(t, l, rpc.ProcDomainDefineXMLFlags, resultRewritten, 0)

	open.Status = rpc.StatusOK
	exchange(t, libvirt, client, frameOf(open, nil))
	write(t, client, call)
	wantFrame(t, libvirt, frameOf(define, defineArgs(rewrittenDoc(t, domainDoc))))
	wantCalls(t, l, rpc.ProcDomainDefineXMLFlags, resultRewritten, 1)
}

// TestHeldBytes: what the gateway would hold beyond its bound goes on unread, and what
// has gone on makes room.
func TestHeldBytes(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	uid := uint32(os.Getuid())
	if !l.held.take(uid, maxHeldUID-10) {
		t.Fatal("the bound does not hold what it says")
	}
	call := frameOf(define, defineArgs(domainDoc))
	write(t, client, call)
	wantFrame(t, libvirt, call)
	relay(t, libvirt, client, okReply(define, domainArg()))
	l.logged(t, "the gateway holds too many calls already")
	l.held.give(uid, maxHeldUID-10)
	for range 3 {
		write(t, client, call)
		wantFrame(t, libvirt, frameOf(define, defineArgs(rewrittenDoc(t, domainDoc))))
		relay(t, libvirt, client, okReply(define, domainArg()))
	}
	client.Close()
	eventually(t, "nothing held", func() bool {
		l.held.mu.Lock()
		defer l.held.mu.Unlock()
		return l.held.all == 0 && len(l.held.byUID) == 0
	})
}

func TestBudget(t *testing.T) {
	var b budget
	for _, step := range []struct {
		uid  uint32
		take int
		want bool
	}{
		{1, maxHeldUID, true},
		{1, 1, false},
		{2, maxHeldUID, true},
		{3, maxHeldUID, true},
		{4, maxHeldUID, true},
		{5, 1, false}, // all together
	} {
		if got := b.take(step.uid, step.take); got != step.want {
			t.Errorf("uid %d takes %d: %v, want %v", step.uid, step.take, got, step.want)
		}
	}
	b.give(1, maxHeldUID)
	if !b.take(5, 1) {
		t.Error("no room after one has given back")
	}
}
