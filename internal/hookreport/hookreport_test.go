package hookreport

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSend(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	want := Report{"prepare", Unprepared, "a name"}
	want.Send(socket) // no agent runs

	agent, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	want.Send(socket)
	b := make([]byte, MaxSize)
	n, err := agent.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b[:n])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sent +received:\n%s", diff)
	}
}

// TestSendNeverWaits: an agent that does not read holds up no guest.
func TestSendNeverWaits(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	agent, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	done := make(chan struct{})
	go func() {
		for range 10_000 {
			Report{"prepare", Unchanged, "a"}.Send(socket)
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("still waiting for an agent that does not read")
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "prepare", "prepare ", "reconnect unchanged", "prepare killed", "\xff \xff"} {
		if got, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}
