package gateway

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// deviceArgs are the arguments of a call about a device of domainArg's domain.
func deviceArgs(device string, flags uint32) []byte {
	return binary.BigEndian.AppendUint32(rpc.AppendString(domainArg(), []byte(device)), flags)
}

// TestSync: the client of a call that has changed the devices of a definition has its
// answer once the domain is in sync.
func TestSync(t *testing.T) {
	const current, live, config = 0, 1, 2 // virDomainModificationImpact
	for name, c := range map[string]struct {
		proc   rpc.Procedure
		flags  uint32
		answer func(call rpc.Header) []byte
		want   bool
	}{
		"attach to both":        {proc: rpc.ProcDomainAttachDeviceFlags, flags: live | config, want: true},
		"attach to either":      {proc: rpc.ProcDomainAttachDeviceFlags, flags: current, want: true},
		"attach to the guest":   {proc: rpc.ProcDomainAttachDeviceFlags, flags: live},
		"update":                {proc: rpc.ProcDomainUpdateDeviceFlags, flags: config, want: true},
		"detach":                {proc: rpc.ProcDomainDetachDeviceFlags, flags: config, want: true},
		"detach by alias":       {proc: rpc.ProcDomainDetachDeviceAlias, flags: config, want: true},
		"detach from the guest": {proc: rpc.ProcDomainDetachDeviceFlags, flags: live},
		"refused": {
			proc: rpc.ProcDomainDetachDeviceFlags, flags: config,
			answer: func(call rpc.Header) []byte { return errorReply(call, "no such device") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synced, goOn := make(chan string, 1), make(chan struct{})
			l := newLab(t, func(s *Server) {
				s.Sync = func(_ context.Context, uuid string) { synced <- uuid; <-goOn }
			})
			client, libvirt := l.connect(t)
			call := rpc.Header{Prog: rpc.ProgramRemote, Vers: 1, Proc: c.proc, Type: rpc.TypeCall, Serial: 21}
			relay(t, client, libvirt, frameOf(call, deviceArgs("<hub/>", c.flags)))
			answer := okReply(call, nil)
			if c.answer != nil {
				answer = c.answer(call)
			}
			write(t, libvirt, answer)
			if c.want {
				if got := <-synced; got != domainUUID {
					t.Errorf("brought domain %s in sync, want %s", got, domainUUID)
				}
				client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				if n, err := client.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Error("the client has its answer before the domain is in sync")
				}
				client.SetReadDeadline(time.Now().Add(20 * time.Second))
			}
			close(goOn)
			wantFrame(t, client, answer)
			if len(synced) > 0 {
				t.Error("brought in sync though no definition has changed")
			}
			wantPasses(t, client, libvirt)
		})
	}
}

// TestSyncIsBounded: a domain that is not brought in sync in time costs its client a
// second, and no answer.
func TestSyncIsBounded(t *testing.T) {
	l := newLab(t, func(s *Server) {
		s.Sync = func(ctx context.Context, _ string) { <-ctx.Done() }
	})
	client, libvirt := l.connect(t)
	relay(t, client, libvirt, frameOf(attach, attachArgs("<hub/>")))
	began := time.Now()
	relay(t, libvirt, client, okReply(attach, nil))
	if took := time.Since(began); took < syncTimeout || took > 5*syncTimeout {
		t.Errorf("the answer came after %v, want %v", took, syncTimeout)
	}
}

// TestSyncAfterUndo: the undo record of a device is there when its domain is brought in
// sync.
func TestSyncAfterUndo(t *testing.T) {
	synced := make(chan string, 1)
	l := newLab(t, func(s *Server) {
		s.Sync = func(_ context.Context, uuid string) { synced <- uuid }
	})
	client, libvirt := l.connect(t)
	write(t, client, frameOf(attach, deviceArgs(deviceDoc, 2)))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), domainDoc, 2))
	wantFrame(t, libvirt, frameOf(attach, deviceArgs(rewrittenDevice(t), 2)))
	write(t, libvirt, okReply(attach, nil))
	write(t, libvirt, xmlDesc(t, readFrame(t, libvirt), rewrittenDoc(t, domainDoc), 2))
	record := readFrame(t, libvirt)
	if len(synced) > 0 {
		t.Error("brought in sync before the undo record is there")
	}
	write(t, libvirt, okReply(record.Header, nil))
	wantFrame(t, client, okReply(attach, nil))
	if got := <-synced; got != domainUUID {
		t.Errorf("brought domain %s in sync, want %s", got, domainUUID)
	}
}
