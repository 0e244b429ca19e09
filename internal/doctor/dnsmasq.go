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
	servers, err := n.openStackServers()
	if err != nil {
		return one(unknown(err))
	}
	var all []Result
	for _, s := range servers {
		all = append(all, n.checkServer(s))
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

// openStackServers are those that run on this node.
func (h Host) openStackServers() ([]server, error) {
	running, err := h.processes("dnsmasq")
	if err != nil {
		return nil, err
	}
	var all []server
	for _, p := range running {
		if s, ok := openStackServer(p); ok {
			all = append(all, s)
		}
	}
	return all, nil
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

// configuration is what a server of OpenStack's was started with.
type configuration struct {
	text    string // of its command line and its files, together
	missing string // a file of those that is no more
	changed string // one that was changed since
	// bootFiles are those that the owners of Neutron's ports name, by the port's ID.
	bootFiles map[string]string
}

func (h Host) configurationOf(s server) (configuration, error) {
	c := configuration{text: strings.Join(s.options, "\n") + "\n", bootFiles: map[string]string{}}
	for _, file := range s.files {
		path := h.proc(s.PID, "root", file) // it may run in a container
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			c.missing = file
			continue
		}
		if err != nil {
			return configuration{}, err
		}
		if s.startedBefore(info.ModTime()) {
			c.changed = file
		}
		part, err := configfile.Read(path)
		if err != nil {
			return configuration{}, err
		}
		c.text += part + "\n"
	}
	for _, file := range s.ports {
		text, err := configfile.Read(h.proc(s.PID, "root", file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return configuration{}, err
		}
		maps.Copy(c.bootFiles, dnsmasq.BootFiles([]byte(c.text), []byte(text)))
	}
	return c, nil
}

// ignoresIPXE reports whether it certainly does: it has the two lines, and had them when
// it was started.
func (c configuration) ignoresIPXE() bool {
	res, err := dnsmasq.Edit([]byte(c.text))
	return err == nil && len(res.Changes) == 0 && c.missing == "" && c.changed == ""
}

// String names the server, for a person.
func (s server) String() string { return fmt.Sprintf("%s's dnsmasq (pid %d)", s.manager.name, s.PID) }

// restart is the command that has it read its files again.
func (s server) restart() string {
	return strings.Replace(s.manager.restart, "%d", strconv.Itoa(s.PID), 1)
}

// answerIPXE is what makes it answer iPXE.
func (s server) answerIPXE() string {
	return fmt.Sprintf("remove dhcp-ignore from %s; then %s", cmp.Or(strings.Join(s.files, ", "), "its command line"), s.restart())
}

// checkServer looks for the two lines.
func (h Host) checkServer(s server) Result {
	c, err := h.configurationOf(s)
	if err != nil {
		return unknown(err)
	}
	if c.missing != "" {
		return failure(s.restart(), "%s was started with %s, which is no more", s, c.missing)
	}
	ports := slices.Sorted(maps.Keys(c.bootFiles))
	res, err := dnsmasq.Edit([]byte(c.text))
	switch {
	case err == nil && len(res.Changes) > 0 && len(ports) > 0:
		return ok("%s answers iPXE, with the boot file of %s; a DHCP server of a tenant's own in that network has it for a rival", s, portsOf(ports))
	case err != nil && dnsmasq.ServesIPXE([]byte(c.text)) > 0:
		return ok("%s names what iPXE is to boot, and is the server that iPXE asks", s)
	case err != nil:
		return failure("fix "+strings.Join(s.files, ", "), "%s: %v", s, err)
	case len(res.Changes) > 0 && len(s.files) == 0:
		return failure(fmt.Sprintf("set %s, with the lines dhcp-userclass=set:ipxe,iPXE and dhcp-ignore=tag:ipxe in it; then %s", s.manager.setting, s.restart()),
			"%s answers iPXE: it was started without a configuration file", s)
	case len(res.Changes) > 0:
		added := strings.Fields(strings.TrimPrefix(string(res.Output), c.text))
		return failure(fmt.Sprintf("add to %s: %s; then %s", s.files[len(s.files)-1], strings.Join(added, " and "), s.restart()),
			"%s answers iPXE: the lines that make it ignore iPXE are not in %s", s, strings.Join(s.files, ", "))
	case c.changed != "":
		return failure(s.restart(), "%s was started before %s was last changed, and does not read it again", s, c.changed)
	case len(ports) > 0:
		return warning("unless a tenant's DHCP server answers iPXE in that network, "+s.answerIPXE(),
			"%s ignores iPXE, which so never hears of the boot file of %s", s, portsOf(ports))
	}
	return ok("%s ignores iPXE", s)
}

// portsOf names ports, for a person.
func portsOf(ports []string) string {
	if len(ports) == 1 {
		return "port " + ports[0]
	}
	return fmt.Sprintf("%d ports, such as %s", len(ports), ports[0])
}
