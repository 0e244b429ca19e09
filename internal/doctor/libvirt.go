package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/nwfilter"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/takeover"
	shipped "github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

// Libvirt is a connection to qemu:///system; *libvirt.Conn is one.
type Libvirt interface {
	Version() string
	Hostname(context.Context) (string, error)
	Capabilities(context.Context) (libvirtxml.Caps, error)
	Domains(context.Context) ([]libvirt.Domain, error)
	ReadListed(context.Context, libvirt.Domain) (libvirt.State, error)
	nwfilter.Reader
	Close()
}

func dialLibvirt(ctx context.Context, socket string) (Libvirt, error) {
	return libvirt.Dial(ctx, socket)
}

// Daemon is what tells one libvirt daemon from another, and what it says of its
// machine.
type Daemon struct {
	Version  string
	Hostname string
	// HostUUID is the machine's, or the daemon's own where the machine has none.
	HostUUID string
	// Domains are the UUIDs of all domains, sorted.
	Domains []string

	// Emulators are the QEMU programs that it starts, the host's own first.
	Emulators []string
	// SecurityModels are selinux, apparmor or dac.
	SecurityModels []string
}

// describe asks the daemon behind a socket about itself.
func (h Host) describe(ctx context.Context, socket string) (Daemon, error) {
	conn, err := h.Libvirt(ctx, socket)
	if err != nil {
		return Daemon{}, err
	}
	defer conn.Close()
	d := Daemon{Version: conn.Version()}
	if d.Hostname, err = conn.Hostname(ctx); err != nil {
		return Daemon{}, err
	}
	caps, err := conn.Capabilities(ctx)
	if err != nil {
		return Daemon{}, err
	}
	d.HostUUID = caps.Host.UUID
	for _, m := range caps.Host.SecModel {
		d.SecurityModels = append(d.SecurityModels, m.Name)
	}
	d.Emulators = emulators(caps)
	domains, err := conn.Domains(ctx)
	if err != nil {
		return Daemon{}, err
	}
	for _, domain := range domains {
		d.Domains = append(d.Domains, domain.UUID)
	}
	slices.Sort(d.Domains)
	return d, nil
}

func emulators(caps libvirtxml.Caps) []string {
	var all []string
	for _, g := range caps.Guests {
		own := caps.Host.CPU != nil && g.Arch.Name == caps.Host.CPU.Arch
		switch {
		case g.OSType != "hvm" || slices.Contains(all, g.Arch.Emulator):
		case own:
			all = slices.Insert(all, 0, g.Arch.Emulator)
		default:
			all = append(all, g.Arch.Emulator)
		}
	}
	return all
}

// differences are what tells that two answers do not come from one daemon.
func (d Daemon) differences(other Daemon) []string {
	var all []string
	for _, c := range []struct{ what, a, b string }{
		{"host name", d.Hostname, other.Hostname},
		{"host UUID", d.HostUUID, other.HostUUID},
		{"libvirt", d.Version, other.Version},
	} {
		if c.a != c.b {
			all = append(all, fmt.Sprintf("%s %s, not %s", c.what, c.b, c.a))
		}
	}
	if !slices.Equal(d.Domains, other.Domains) {
		all = append(all, fmt.Sprintf("%d domains, not the same %d", len(other.Domains), len(d.Domains)))
	}
	return all
}

// checkLibvirt asks libvirt on its own socket.
func checkLibvirt(_ context.Context, n *node) []Result {
	socket := n.upstream()
	switch err := n.daemonErr; {
	case err == nil:
		return one(ok("libvirt %s answers at %s", n.daemon.Version, socket))
	case errors.Is(err, fs.ErrPermission):
		return one(unknown(err))
	case nothingListens(err) && n.config.Gateway.Upstream != "":
		return one(failure("set gateway.upstream in "+n.ConfigPath+" to libvirt's own socket, or start libvirt", "nothing listens at %s", socket))
	case nothingListens(err):
		return one(failure("systemctl start "+n.daemonName(), "nothing listens at %s", socket))
	default:
		return one(failure("systemctl restart "+n.daemonName(), "libvirt does not answer: %v", err))
	}
}

// nothingListens reports whether an error says that no program is at a socket.
func nothingListens(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// checkGateway asks libvirt through the gateway, and compares.
func checkGateway(ctx context.Context, n *node) []Result {
	if past, ok := n.bypassed(); ok {
		return one(failure(startAgent, "the agent does not run, so clients bypass it at %s; virt-netboot-bypass.service tries it again", past))
	}
	return append(one(n.checkOwnPath(ctx)), n.checkUsualPath(ctx)...)
}

// checkOwnPath asks at the gateway's own socket.
func (n *node) checkOwnPath(ctx context.Context) Result {
	socket := n.config.Gateway.Listen
	through, err := n.describe(ctx, socket)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unknown(err)
	case err != nil && nothingListens(err):
		return failure(startAgent, "nothing listens at %s", socket)
	case err != nil && n.daemonErr != nil:
		return failure("start libvirt first", "it passes nothing on, as libvirt does not answer: %v", err)
	case err != nil:
		return failure("systemctl restart virt-netboot", "%v", err)
	case n.agentErr == nil && n.agent.Has(status.ComponentGateway) && n.agent.Gateway.Upstream != n.upstream():
		return failure("systemctl restart virt-netboot", "%s is in front of another libvirt than that of %s: of %s", socket, n.upstream(), n.agent.Gateway.Upstream)
	case n.daemonErr != nil:
		return failure("systemctl restart virt-netboot", "%s is in front of another libvirt than that of %s, which does not answer", socket, n.upstream())
	}
	return compare(n.daemon, through, socket, n.upstream())
}

// bypassed returns a path of the gateway that virt-netboot-bypass.service has made a
// symbolic link to libvirt's own socket.
func (n *node) bypassed() (string, bool) {
	paths := []string{n.config.Gateway.Listen}
	for _, d := range takeover.Daemons() {
		paths = append(paths, d.Path)
	}
	for _, path := range paths {
		if info, err := os.Lstat(n.path(path)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return path, true
		}
	}
	return "", false
}

// checkUsualPath asks where libvirt's clients do, if the gateway has their path.
func (n *node) checkUsualPath(ctx context.Context) []Result {
	if n.exists(takeover.IntentPath) {
		return one(failure("systemctl start virt-netboot-takeover", "virt-netboot enable or disable is under way, or was cut"))
	}
	now := n.daemonName()
	for _, d := range takeover.Daemons() {
		if !n.exists(d.DropIn()) {
			continue
		}
		if d.Name != now {
			return one(failure("virt-netboot disable && "+Enable,
				"the gateway is in front of %s, and this node has moved to %s, whose clients bypass it", d.Name, now))
		}
		through, err := n.describe(ctx, d.Path)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return one(unknown(err))
		case err != nil:
			return one(failure(Enable, "libvirt does not answer where its clients look for it: %v", err))
		case n.daemonErr == nil:
			return one(compare(n.daemon, through, d.Path, n.upstream()))
		}
	}
	return nil
}

func compare(direct, through Daemon, listen, upstream string) Result {
	if d := direct.differences(through); len(d) > 0 {
		return failure("systemctl restart virt-netboot", "%s is in front of another libvirt than that of %s: it has %s", listen, upstream, strings.Join(d, ", "))
	}
	return ok("%s is in front of libvirt %s at %s", listen, through.Version, upstream)
}

// checkNWFilters looks for the nwfilters that rules put in others' place.
func checkNWFilters(ctx context.Context, n *node) []Result {
	names := n.config.Policy().Filters()
	if len(names) == 0 {
		return one(ok("no rule names an nwfilter"))
	}
	if n.daemonErr != nil {
		return one(warning("start libvirt first", "not checked, since libvirt does not answer"))
	}
	conn, err := n.Libvirt(ctx, n.upstream())
	if err != nil {
		return one(unknown(err))
	}
	defer conn.Close()
	var all []Result
	for _, name := range names {
		filter, err := nwfilter.Inspect(ctx, conn, name)
		switch {
		case err != nil:
			return append(all, unanswered(err))
		case filter.State == domainxml.NWFilterMissing:
			all = append(all, missingFilter(name))
		default:
			all = append(all, foundFilter(name, filter))
		}
	}
	return all
}

// unanswered is for an error of looking up an nwfilter. virtqemud asks virtnwfilterd,
// which not every node has.
func unanswered(err error) Result {
	if strings.Contains(err.Error(), "virtnwfilterd") {
		return failure("systemctl enable --now virtnwfilterd.socket", "libvirt does not get to its nwfilters, and no domain with one can start: %v", err)
	}
	return unknown(err)
}

func foundFilter(name string, filter domainxml.NWFilter) Result {
	variables := filter.Unresolved(nil)
	if len(variables) == 0 {
		return ok("libvirt has the nwfilter %s", name)
	}
	return ok("libvirt has the nwfilter %s, for interfaces that give it %s; virt-netboot status warns of those that do not, and they keep the filter that they have",
		name, strings.Join(variables, ", "))
}

func missingFilter(name string) Result {
	const found = "a rule wants the nwfilter %s, which libvirt does not have: interfaces keep the filter that they have, and no domain with %[1]s can start"
	if name == shipped.Relaxed {
		return failure("systemctl restart virt-netboot, which defines it; if it does not, journalctl -t virt-netboot says why", found, name)
	}
	return failure("virsh nwfilter-define FILE, with a filter of that name", found, name)
}
