package gateway

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

func TestPassesBytesBothWays(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	stream := func() []byte {
		var b []byte
		for range 300 {
			payload := make([]byte, rnd.IntN(3000))
			for i := range payload {
				payload[i] = byte(rnd.Uint32())
			}
			heads := []rpc.Header{getLibVersion, streamData, ping, {Prog: rpc.ProgramQEMU, Proc: 11}, {Prog: 0x12345678, Proc: 350}}
			b = append(b, frameOf(heads[rnd.IntN(len(heads))], payload)...)
		}
		return append(b, frameOf(streamData, make([]byte, 5<<20))...)
	}
	for _, way := range []struct{ from, to *net.UnixConn }{{client, libvirt}, {libvirt, client}} {
		want := stream()
		portions := rand.New(rand.NewPCG(3, 4))
		go func() {
			for b := want; len(b) > 0; {
				n := min(len(b), 1+portions.IntN(5000))
				if _, err := way.from.Write(b[:n]); err != nil {
					return
				}
				b = b[n:]
			}
		}()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(way.to, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("the bytes are others")
		}
	}
}

func TestDescriptors(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	for _, way := range []struct{ from, to *net.UnixConn }{{client, libvirt}, {libvirt, client}} {
		files := []*os.File{tempFile(t), tempFile(t), tempFile(t)}
		frame := frameOf(openFD, withFDs(len(files), []byte("arguments")))
		write(t, way.from, frame)
		for _, f := range files {
			sendFD(t, way.from, f)
		}
		write(t, way.from, frameOf(getLibVersion, nil))

		// libvirt reads frames without room for descriptors: one that came with a
		// frame's bytes would be lost.
		wantFrame(t, way.to, frame)
		for _, f := range files {
			wantSameFile(t, recvFD(t, way.to), f)
		}
		wantFrame(t, way.to, frameOf(getLibVersion, nil))
	}
}

func TestDescriptorsAreNotKept(t *testing.T) {
	l := newLab(t)
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	client, libvirt := l.connect(t)
	f := tempFile(t)
	before := open()
	for range 20 {
		// One that follows its frame, one where libvirt's protocol has none.
		write(t, client, frameOf(openFD, withFDs(1, nil)))
		sendFD(t, client, f)
		if _, _, err := client.WriteMsgUnix(frameOf(getLibVersion, nil), unix.UnixRights(int(f.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		readFrame(t, libvirt)
		recvFD(t, libvirt).Close()
		oob := make([]byte, unix.CmsgSpace(4))
		_, oobn, _, _, err := libvirt.ReadMsgUnix(make([]byte, 1000), oob)
		if err != nil || oobn != 0 {
			t.Fatalf("%d bytes of control data came with a frame, %v", oobn, err)
		}
		// One of a call that is rewritten, of which the gateway has a duplicate.
		write(t, client, frameOf(createWithFiles, withFDs(1, defineArgs(domainDoc))))
		sendFD(t, client, f)
		readFrame(t, libvirt)
		recvFD(t, libvirt).Close()
		relay(t, libvirt, client, okReply(createWithFiles, domainArg()))
	}
	eventually(t, "all descriptors are closed", func() bool { return open() <= before })
}

func TestHalfClose(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	half := frameOf(getLibVersion, nil)[:15]
	write(t, client, frameOf(getLibVersion, nil), half)
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantFrame(t, libvirt, frameOf(getLibVersion, nil))
	rest, err := io.ReadAll(libvirt)
	if err != nil || !bytes.Equal(rest, half) {
		t.Fatalf("got %q, %v, want %q", rest, err, half)
	}
	relay(t, libvirt, client, okReply(getLibVersion, nil))
	libvirt.Close()
	wantEOF(t, client)
}

func TestCloses(t *testing.T) {
	l := newLab(t)
	t.Run("the client leaves", func(t *testing.T) {
		client, libvirt := l.connect(t)
		write(t, client, frameOf(getLibVersion, nil))
		client.Close()
		wantFrame(t, libvirt, frameOf(getLibVersion, nil))
		wantEOF(t, libvirt)
	})
	t.Run("libvirt leaves", func(t *testing.T) {
		client, libvirt := l.connect(t)
		write(t, libvirt, frameOf(ping, nil))
		libvirt.Close()
		wantFrame(t, client, frameOf(ping, nil))
		wantEOF(t, client)
		eventually(t, "the connection ends", func() bool { return l.Metrics.Stats().Clients == 0 })
		if _, err := client.Write([]byte("x")); err == nil {
			t.Error("the client can still write")
		}
	})
	t.Run("the client leaves while libvirt does not read", func(t *testing.T) {
		client, libvirt := l.connect(t)
		sent := fill(t, client)
		client.Close()
		n, err := io.Copy(io.Discard, libvirt)
		if err != nil || n != int64(sent) {
			t.Fatalf("%d of %d bytes arrived, %v", n, sent, err)
		}
	})
	eventually(t, "no clients left", func() bool { return l.Metrics.Stats().Clients == 0 })
}

// fill writes a stream until no more is taken, and returns how much that was.
func fill(t *testing.T, c *net.UnixConn) int {
	t.Helper()
	block := frameOf(streamData, make([]byte, 64<<10))
	sent := 0
	for {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.Write(block)
		sent += n
		if err != nil {
			c.SetWriteDeadline(time.Now().Add(20 * time.Second))
			return sent
		}
	}
}

func TestBackPressure(t *testing.T) {
	client, libvirt := newLab(t).connect(t)
	for _, way := range []struct{ from, to *net.UnixConn }{{client, libvirt}, {libvirt, client}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sent := fill(t, way.from)
		// The other direction goes on.
		relay(t, way.to, way.from, frameOf(ping, nil))
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
			t.Errorf("the heap grew by %d bytes for a peer that does not read", grown)
		}
		if sent > 8<<20 {
			t.Errorf("%d bytes were taken for a peer that does not read", sent)
		}
		got := make([]byte, sent)
		if _, err := io.ReadFull(way.to, got); err != nil {
			t.Fatal(err)
		}
		write(t, way.from, restOfFrame(got))
		if _, err := io.ReadFull(way.to, restOfFrame(got)); err != nil {
			t.Fatal(err)
		}
	}
}

// restOfFrame is what is missing of the last frame that fill wrote.
func restOfFrame(sent []byte) []byte {
	const block = rpc.HeaderSize + 64<<10
	if len(sent)%block == 0 {
		return nil
	}
	return make([]byte, block-len(sent)%block)
}

func TestTooLong(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	other, otherLibvirt := l.connect(t)
	frame := frameOf(getLibVersion, nil)
	long := bytes.Clone(frame)
	binary.BigEndian.PutUint32(long, rpc.MaxLength+1)
	write(t, client, frame, long)
	wantFrame(t, libvirt, frame)
	wantEOF(t, libvirt)
	wantEOF(t, client)
	e := l.logged(t, "a message of 33554437 bytes, where libvirt's limit is 33554436")
	if e.Data["UID"] != uint32(os.Getuid()) || e.Data["PID"] != int32(os.Getpid()) {
		t.Errorf("the log does not say whose connection: %v", e.Data)
	}
	relay(t, other, otherLibvirt, frame)
}

func TestSASL(t *testing.T) {
	l := newLab(t)
	client, libvirt := l.connect(t)
	init := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: rpc.ProcAuthSASLInit, Type: rpc.TypeCall, Serial: 1}
	relay(t, client, libvirt, frameOf(init, nil))
	relay(t, libvirt, client, okReply(init, nil))
	for _, way := range []struct{ from, to *net.UnixConn }{{client, libvirt}, {libvirt, client}} {
		for _, packet := range []string{"\x00\x00\x00\x10encrypted packet", "\xff\xff\xff\xff\xff\xff\xff\xff", "x"} {
			write(t, way.from, []byte(packet))
			got := make([]byte, len(packet))
			if _, err := io.ReadFull(way.to, got); err != nil || string(got) != packet {
				t.Fatalf("got %q, %v", got, err)
			}
		}
	}
	l.logged(t, "encrypts with SASL")
	if n := len(l.log.AllEntries()); n != 1 {
		t.Errorf("%d log lines, want one", n)
	}
}

// TestIdleClients shows that clients on which nothing happens cost no threads.
func TestIdleClients(t *testing.T) {
	l := newLab(t)
	const n = 200
	clients, libvirts := make([]*net.UnixConn, n), make([]*net.UnixConn, n)
	for i := range n {
		clients[i], libvirts[i] = l.connect(t)
		write(t, clients[i], frameOf(getLibVersion, nil))
		readFrame(t, libvirts[i])
	}
	eventually(t, "all connections wait among the idle ones", func() bool {
		l.idle.mu.Lock()
		defer l.idle.mu.Unlock()
		return len(l.idle.waiting) == 2*n && l.busy.Load() == 0
	})
	for i := range n {
		write(t, libvirts[i], okReply(getLibVersion, nil))
		wantFrame(t, clients[i], okReply(getLibVersion, nil))
	}
}
