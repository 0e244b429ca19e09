package gateway

import (
	"context"
	"slices"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/virt-netboot/virt-netboot/agent/gateway/rpc"
)

// syncTimeout is how long a client waits at most for a domain whose devices it has
// changed to be in sync.
const syncTimeout = time.Second

// finish gives the client libvirt's last word on a call. Where that has changed the
// devices of a definition, the rules may want another boot order now, and the client may
// start the domain at once: the definition is in sync before. That is short enough for
// the whole connection to wait.
func (c *conn) finish(p *pendingCall, reply rpc.Message) {
	if c.srv.Sync != nil && reply.Refusal() == nil && changesDefinition(p.call) {
		ctx, cancel := context.WithTimeout(context.Background(), syncTimeout)
		defer cancel()
		c.srv.Sync(ctx, p.call.DomainUUID())
	}
	c.answer(reply)
}

// changesDefinition reports whether a call changes the devices of a domain's definition.
func changesDefinition(call rpc.XMLCall) bool {
	if !call.Proc.CarriesDevice() && !call.Proc.DetachesDevice() {
		return false
	}
	return slices.ContainsFunc(documents(call.Proc, call.Flags()), func(d document) bool {
		return d.write != uint32(golibvirt.DomainAffectLive)
	})
}
