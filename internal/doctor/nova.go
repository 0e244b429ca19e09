package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor/osloconf"
	"github.com/virt-netboot/virt-netboot/internal/novarelease"
)

// checkNova tells whether nova-compute talks to libvirt through the gateway, and writes
// what the rules match by.
func checkNova(_ context.Context, n *node) []Result {
	nova, err := n.findNova()
	var syntax *osloconf.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return one(failure("fix that line", "Nova cannot read its configuration: %v", err))
	case err != nil:
		return one(unknown(err))
	case nova == nil:
		return one(ok("no Nova here"))
	}
	usual := libvirt.Usual(n.DefaultUpstream())
	r := nova.judge(n.gatewaySockets(n.Taking), usual)
	if r.Level == Failure && nova.judge(n.gatewaySockets(true), usual).Level != Failure {
		if n.config.Mode == config.ModeObserve {
			r.Level, r.Remedy = Warning, Enable+", when you have seen enough; or with --socket-only, "+r.Remedy
		} else {
			r.Remedy = Enable + "; or " + r.Remedy
		}
	}
	all := one(r)
	release := novarelease.Installed(nova.root)
	for _, w := range novarelease.Warnings(n.config.Rules, release) {
		all = append(all, warning("in "+n.ConfigPath+", match by project, flavor or image", "%s", w))
	}
	for _, remark := range novarelease.Untold(n.config.Rules, release) {
		all = append(all, ok("%s", remark))
	}
	return all
}

// gatewaySockets are those that lead to the gateway, its own first, or that would if it
// took libvirt's usual path.
func (n *node) gatewaySockets(taking bool) []string {
	sockets := []string{n.config.Gateway.Listen}
	usual := libvirt.Usual(n.DefaultUpstream())
	switch {
	case usual == n.DefaultUpstream() && !taking: // it is libvirt's own
	case usual == libvirt.VirtqemudSocket:
		sockets = append(sockets, usual, libvirt.LibvirtdSocket) // virtproxyd's, which leads there
	default:
		sockets = append(sockets, usual)
	}
	return sockets
}

// judge compares where Nova connects to with the gateway's sockets. usual is the
// socket of a URI that names none.
func (n *nova) judge(sockets []string, usual string) Result {
	if driver, _, _ := n.conf.Get("DEFAULT.compute_driver"); driver.Text != "" && !strings.Contains(driver.Text, "libvirt") {
		return ok("Nova does not use libvirt here, but %s", driver.Text)
	}
	kind, _, _ := n.conf.Get("libvirt.virt_type", "DEFAULT.libvirt_type")
	if !slices.Contains([]string{"", "kvm", "qemu"}, kind.Text) {
		return ok("Nova starts no QEMU here, but %s", kind.Text)
	}
	set, found, err := n.conf.Get("libvirt.connection_uri", "DEFAULT.libvirt_uri")
	if err != nil {
		return warning("write the value itself in "+set.File, "where Nova connects to is not known: %v", err)
	}
	uri := set.Text
	if uri == "" {
		uri = "qemu:///system"
	}
	connects := uri + " (" + where(set, found) + ")"
	socket, err := socketOf(uri, usual)
	if err != nil {
		return failure(n.remedy(set, sockets[0]), "Nova bypasses the gateway and connects to %s: %v", connects, err)
	}
	if !slices.ContainsFunc(sockets, func(s string) bool { return sameSocket(socket, s) }) {
		return failure(n.remedy(set, sockets[0]), "Nova bypasses the gateway and connects to %s, which is %s", connects, socket)
	}
	return n.judgeProcess(socket, "Nova connects to "+connects)
}

func where(set osloconf.Value, found bool) string {
	switch {
	case !found:
		return "no file sets connection_uri"
	case set.Line == 0:
		return set.File + " in its environment"
	}
	return fmt.Sprintf("%s:%d", set.File, set.Line)
}

// remedy points Nova to the gateway, where the option is set now, or else in its
// last file.
func (n *nova) remedy(set osloconf.Value, gateway string) string {
	uri := "qemu+unix:///system?socket=" + gateway
	file := n.files[len(n.files)-1]
	switch {
	case set.File != "" && set.Line == 0:
		return fmt.Sprintf("set %s=%s in nova-compute's environment, and restart it", set.File, uri)
	case set.File != "":
		file = set.File
	}
	return fmt.Sprintf("in %s, set connection_uri = %s in [libvirt], and restart nova-compute", file, uri)
}

// judgeProcess looks at the running nova-compute, whose files lead to the
// gateway's socket.
func (n *nova) judgeProcess(socket, found string) Result {
	if n.process.PID == 0 {
		return ok("%s; it does not run", found)
	}
	if n.process.startedBefore(n.changed) {
		return warning("restart nova-compute", "nova-compute (pid %d) started before its configuration was changed", n.process.PID)
	}
	if _, err := os.Stat(n.path(socket)); errors.Is(err, fs.ErrNotExist) && n.contained {
		return failure("mount "+filepath.Dir(socket)+" into its container", "nova-compute (pid %d) runs in a container that has no %s", n.process.PID, socket)
	}
	return ok("%s", found)
}

// socketOf is the unix socket that libvirt's client connects to for a URI, as in
// docs/uri.rst in libvirt.
func socketOf(uri, usual string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	driver, transport, _ := strings.Cut(u.Scheme, "+")
	switch {
	case driver != "qemu" || u.Path != "/system":
		return "", errors.New("that is not libvirt's QEMU driver for the whole system")
	case u.Host != "" || transport != "" && transport != "unix":
		return "", errors.New("that is no unix socket of this machine")
	}
	if socket := u.Query().Get("socket"); socket != "" {
		return socket, nil
	}
	return usual, nil
}

// sameSocket compares two paths; /var/run is /run.
func sameSocket(a, b string) bool {
	clean := func(p string) string {
		p = filepath.Clean(p)
		if rest, ok := strings.CutPrefix(p, "/var/run/"); ok {
			return "/run/" + rest
		}
		return p
	}
	return clean(a) == clean(b)
}
