package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

const diskDoc = `<domain type='kvm'><name>a</name><os><type>hvm</type></os><devices>` +
	`<disk type='file' device='disk'><source file='/disk'/><target dev='vda'/></disk><interface type='user'/></devices></domain>`

// TestHangUpEndsRead: a client leaves while its disk is read. The call goes on, as it
// does where the disk cannot be read for another reason.
func TestHangUpEndsRead(t *testing.T) {
	rule := domainxml.DefaultRule()
	rule.OnlyIf = domainxml.OnlyIfBlankDisk
	reading, ended := make(chan struct{}), make(chan error, 1)
	l := newLab(t, func(s *Server) {
		s.Rewriter = func() domainxml.Rewriter {
			return domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
		}
		s.ReadDisk = func(ctx context.Context, _ domainxml.DiskSource, _ int) ([]byte, error) {
			close(reading)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			ended <- ctx.Err()
			return nil, ctx.Err()
		}
	})
	client, libvirt := l.connect(t)
	write(t, client, frameOf(define, defineArgs(diskDoc)))
	<-reading
	client.Close()
	if err := <-ended; err != context.Canceled {
		t.Errorf("the read ends with %v", err)
	}
	if got := readFrame(t, libvirt); got.Proc != define.Proc {
		t.Errorf("libvirt gets %v", got.Proc)
	}
}
