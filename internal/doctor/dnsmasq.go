package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/resync/dnsmasq"
	"github.com/virt-netboot/virt-netboot/internal/configfile"
)

// checkDnsmasq tells whether OpenStack's DHCP servers leave iPXE to the tenant's.
func checkDnsmasq(_ context.Context, n *node) []Result {
	running, err := n.processes("dnsmasq")
	if err != nil {
		return one(unknown(err))
	}
	var all []Result
	for _, p := range running {
		if s, ok := openStackServer(p); ok {
			all = append(all, n.checkServer(s))
		}
	}
	if len(all) == 0 {
		return one(ok("no dnsmasq of OpenStack's runs here"))
	}
	return all
}

// server is a dnsmasq that OpenStack runs as a DHCP server.
type server struct {
	process
	options []string // of the command line, as lines of dnsmasq's configuration
	files   []string // that it reads
	ports   []string // those with options of ports, as Neutron writes them
	manager manager
}

// manager is the program of OpenStack's that runs a dnsmasq.
type manager struct {
	name string
	// marks are parts of paths; each dnsmasq that it runs has one of them on its
	// command line.
	marks []string
	// setting is where to name a file for dnsmasq.
	setting string
	restart string // a %d in it is the pid
}

func managers() []manager {
	const key = "dnsmasq_config_file = "
	return []manager{
		{"nova-network", []string{"nova-dhcpbridge", "/nova/networks/"}, key + "/etc/nova/dnsmasq.conf in /etc/nova/nova.conf", "kill %d && systemctl restart nova-network"},
		{"neutron-dhcp-agent", []string{"/neutron/"}, key + "/etc/neutron/dnsmasq.conf in /etc/neutron/dhcp_agent.ini", "systemctl restart neutron-dhcp-agent"},
	}
}

func (m manager) runs(p process) bool {
	line := strings.Join(p.args, "\x00")
	return slices.ContainsFunc(m.marks, func(mark string) bool { return strings.Contains(line, mark) })
}

// openStackServer reads a dnsmasq's command line.
func openStackServer(p process) (server, bool) {
	all := managers()
	of := slices.IndexFunc(all, func(m manager) bool { return m.runs(p) })
	if of < 0 {
		return server{}, false
	}
	s := server{process: p, manager: all[of]}
	for _, o := range commandLine(p.args[1:]) {
		name, value, _ := strings.Cut(o, "=")
		switch {
		case name == "dhcp-optsfile":
			s.ports = append(s.ports, value)
		case name != "conf-file":
			s.options = append(s.options, o)
		case value != "" && value != "/dev/null": // Neutron's way to name none
			s.files = append(s.files, value)
		}
	}
	return s, true
}

// commandLine are the options of a command line as its configuration file would
// have them. Of the short ones only those that matter here are known.
func commandLine(args []string) []string {
	short := map[string]string{"-C": "conf-file", "-j": "dhcp-userclass", "-J": "dhcp-ignore"}
	apart := []string{"--conf-file", "--dhcp-userclass", "--dhcp-ignore", "--dhcp-optsfile"} // getopt_long takes the value from the next argument too
	var options []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		next := func() string {
			i++
			if i < len(args) {
				return args[i]
			}
			return ""
		}
		name, known := short[arg[:min(2, len(arg))]]
		switch {
		case slices.Contains(apart, arg):
			options = append(options, arg[2:]+"="+next())
		case strings.HasPrefix(arg, "--"):
			options = append(options, arg[2:])
		case known && len(arg) == 2:
			options = append(options, name+"="+next())
		case known:
			options = append(options, name+"="+arg[2:])
		}
	}
	return options
}

// checkServer looks for the two lines on the command line and in the files
// together.
func (h Host) checkServer(s server) Result {
	text := strings.Join(s.options, "\n") + "\n"
	restart := strings.Replace(s.manager.restart, "%d", strconv.Itoa(s.PID), 1)
	who := fmt.Sprintf("%s's dnsmasq (pid %d)", s.manager.name, s.PID)
	for _, file := range s.files {
		path := h.proc(s.PID, "root", file) // it may run in a container
		part, err := configfile.Read(path)
		if errors.Is(err, fs.ErrNotExist) {
			return failure(restart, "%s was started with %s, which is no more", who, file)
		}
		if err != nil {
			return unknown(err)
		}
		text += part + "\n"
	}
	ports, err := h.portsWithBootFile(s, text)
	if err != nil {
		return unknown(err)
	}
	res, err := dnsmasq.Edit([]byte(text))
	switch {
	case err == nil && len(res.Changes) > 0 && len(ports) > 0:
		return ok("%s answers iPXE, with the boot file of %s; a DHCP server of a tenant's own in that network has it for a rival", who, portsOf(ports))
	case err != nil && dnsmasq.ServesIPXE([]byte(text)) > 0:
		return ok("%s names what iPXE is to boot, and is the server that iPXE asks", who)
	case err != nil:
		return failure("fix "+strings.Join(s.files, ", "), "%s: %v", who, err)
	case len(res.Changes) > 0 && len(s.files) == 0:
		return failure(fmt.Sprintf("set %s, with the lines dhcp-userclass=set:ipxe,iPXE and dhcp-ignore=tag:ipxe in it; then %s", s.manager.setting, restart),
			"%s answers iPXE: it was started without a configuration file", who)
	case len(res.Changes) > 0:
		added := strings.Fields(strings.TrimPrefix(string(res.Output), text))
		return failure(fmt.Sprintf("add to %s: %s; then %s", s.files[len(s.files)-1], strings.Join(added, " and "), restart),
			"%s answers iPXE: the lines that make it ignore iPXE are not in %s", who, strings.Join(s.files, ", "))
	}
	for _, file := range s.files {
		info, err := os.Stat(h.proc(s.PID, "root", file))
		if err != nil {
			return unknown(err)
		}
		if s.startedBefore(info.ModTime()) {
			return failure(restart, "%s was started before %s was last changed, and does not read it again", who, file)
		}
	}
	if len(ports) > 0 {
		return warning(fmt.Sprintf("unless a tenant's DHCP server answers iPXE in that network, remove dhcp-ignore from %s; then %s", cmp.Or(strings.Join(s.files, ", "), "its command line"), restart),
			"%s ignores iPXE, which so never hears of the boot file of %s", who, portsOf(ports))
	}
	return ok("%s ignores iPXE", who)
}

// portsWithBootFile are the ports whose owners name a boot file; conf is what else the
// server reads.
func (h Host) portsWithBootFile(s server, conf string) ([]string, error) {
	all := map[string]string{}
	for _, file := range s.ports {
		text, err := configfile.Read(h.proc(s.PID, "root", file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, dnsmasq.BootFiles([]byte(conf), []byte(text)))
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// portsOf names ports, for a person.
func portsOf(ports []string) string {
	if len(ports) == 1 {
		return "port " + ports[0]
	}
	return fmt.Sprintf("%d ports, such as %s", len(ports), ports[0])
}
