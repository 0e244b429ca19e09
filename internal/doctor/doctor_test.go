package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/port"
)

// TestChecks makes the checks of testdata/CHECK/*.txtar on the machine that the
// archive is. Besides the machine's files an archive has the parts
//
//	want             the results: LEVEL FOUND, and → REMEDY
//	config           the configuration; without it the defaults
//	libvirt          libvirt's answers, as in fakeLibvirt; without it a plain one
//	gateway          the same through the gateway; without it nothing listens
//	upstream         where libvirt listens; without it /run/libvirt/libvirt-sock
//	ports            DEVICE SWITCH VERDICT RULE of a boot's first frame at a port
//	agent            the agent's status; without it it answers that all is well
//	run/NAME         what the program NAME prints
//	proc/PID/cmdline a process's arguments, with spaces between them
//	proc/PID/environ its environment, a variable a line
//	clock            PID TIME when a process started, PATH TIME when a file was
//	                 changed: HH:MM:SS. Without it 11:30:00 and 11:10:00
//	modes            PATH MODE
//	links            PATH TARGET of symbolic links
//
// A file "virt-netboot's hook" or "another Go program" becomes such a program, "ROM" an
// option ROM for BIOS and UEFI, "ROM for BIOS" and "ROM for UEFI" one for that alone. A
// file domain/NAME is the definition of a domain of libvirt's. It is 12:00:00.
func TestChecks(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata (%v)", err)
	}
	hook := buildHook(t)
	for _, path := range paths {
		check := filepath.Base(filepath.Dir(path))
		t.Run(check+"/"+strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m := newMachine(t, archive, hook)
			got := m.text(check, m.doctor().Examine(t.Context()))
			if diff := cmp.Diff(m.parts["want"], got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// machine is a machine in a directory.
type machine struct {
	t     *testing.T
	root  string
	parts map[string]string // of the archive
}

const (
	now    = "12:00:00"
	uptime = time.Hour
)

func newMachine(t *testing.T, archive *txtar.Archive, hook string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), parts: make(map[string]string)}
	for _, f := range archive.Files {
		m.parts[f.Name] = string(f.Data)
		switch {
		case strings.HasSuffix(f.Name, "/cmdline"):
			f.Data = []byte(strings.Join(strings.Fields(string(f.Data)), "\x00") + "\x00")
		case strings.HasSuffix(f.Name, "/environ"):
			f.Data = []byte(strings.ReplaceAll(string(f.Data), "\n", "\x00"))
		case string(f.Data) == "ROM\n":
			f.Data = slices.Concat(romImage(0, false), romImage(3, true))
		case string(f.Data) == "ROM for BIOS\n":
			f.Data = romImage(0, true)
		case string(f.Data) == "ROM for UEFI\n":
			f.Data = romImage(3, true)
		case string(f.Data) == "virt-netboot's hook\n":
			m.install(f.Name, hook)
			continue
		case string(f.Data) == "another Go program\n":
			m.install(f.Name, "/proc/self/exe")
			continue
		}
		m.write(f.Name, f.Data)
		m.setTime(f.Name, "11:10:00")
	}
	m.write("proc/uptime", fmt.Appendf(nil, "%.2f 0.00", uptime.Seconds()))
	m.processes()
	for line := range m.pairs("links") {
		m.do(os.MkdirAll(filepath.Dir(m.path(line[0])), 0o755))
		m.do(os.Symlink(line[1], m.path(line[0])))
	}
	for line := range m.pairs("clock") {
		if _, err := strconv.Atoi(line[0]); err == nil {
			m.start(line[0], line[1])
		} else {
			m.setTime(line[0], line[1])
		}
	}
	for line := range m.pairs("modes") {
		mode, err := strconv.ParseUint(line[1], 8, 32)
		m.do(err)
		m.do(os.Chmod(m.path(line[0]), os.FileMode(mode)))
	}
	return m
}

// processes gives every process the rest of its directory in proc.
func (m *machine) processes() {
	found, err := filepath.Glob(m.path("proc/[0-9]*"))
	m.do(err)
	for _, dir := range found {
		m.start(filepath.Base(dir), "11:30:00")
		err := os.Symlink(m.root, filepath.Join(dir, "root"))
		if !errors.Is(err, fs.ErrExist) { // a container's
			m.do(err)
		}
	}
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

func (m *machine) write(name string, data []byte) {
	m.do(os.MkdirAll(filepath.Dir(m.path(name)), 0o755))
	m.do(os.WriteFile(m.path(name), data, 0o644))
}

// install copies a program.
func (m *machine) install(name, program string) {
	text, err := os.ReadFile(program)
	m.do(err)
	m.write(name, text)
}

func (m *machine) do(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// pairs are the lines of a part, split in two.
func (m *machine) pairs(part string) func(func([2]string) bool) {
	return func(yield func([2]string) bool) {
		for line := range strings.Lines(m.parts[part]) {
			a, b, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !yield([2]string{a, b}) {
				return
			}
		}
	}
}

func (m *machine) at(clock string) time.Time {
	at, err := time.Parse("2006-01-02 15:04:05", "2026-01-01 "+clock)
	m.do(err)
	return at
}

func (m *machine) setTime(name, clock string) {
	m.do(os.Chtimes(m.path(name), m.at(clock), m.at(clock)))
}

func (m *machine) start(pid, clock string) {
	ticks := m.at(clock).Sub(m.at(now).Add(-uptime)) / (10 * time.Millisecond)
	// Fields 4 to 21 stand before the start, 23 to 52 after it.
	m.write("proc/"+pid+"/stat", fmt.Appendf(nil, "%s (a ) b) S%s %d%s\n", pid, strings.Repeat(" 1", 18), ticks, strings.Repeat(" 1", 30)))
}

func (m *machine) doctor() doctor.Doctor {
	return doctor.Doctor{
		Host: doctor.Host{
			Root:        m.root,
			Proc:        m.path("proc"),
			Now:         func() time.Time { return m.at(now) },
			Run:         m.run,
			Libvirt:     m.libvirt,
			InspectPort: m.inspectPort,
		},
		LoadConfig: func() (config.Config, error) {
			if text, ok := m.parts["config"]; ok {
				return config.Parse("config.yaml", []byte(text))
			}
			c := config.Default()
			c.Mode = config.ModeEnforce
			return c, nil
		},
		ConfigPath:      "/etc/virt-netboot/config.yaml",
		DefaultUpstream: m.defaultUpstream,
		Taking:          m.parts["taking"] != "",
		Agent:           m.agent,
		Version:         "devel",
		HookProgram:     "/usr/sbin/qemu-hook",
	}
}

// run is the machine's programs: those of the archive, and what is installed.
func (m *machine) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if out, ok := m.parts["run/"+filepath.Base(name)]; ok {
		return []byte(out), nil
	}
	if strings.HasPrefix(name, m.root) {
		return exec.CommandContext(ctx, name, args...).Output()
	}
	return nil, fmt.Errorf("running %s: %w", name, fs.ErrNotExist)
}

func (m *machine) libvirt(_ context.Context, socket string) (doctor.Libvirt, error) {
	part := "libvirt"
	switch usual := libvirt.Usual(m.defaultUpstream()); {
	case socket == config.Default().Gateway.Listen:
		part = "gateway"
	case socket == usual && usual != m.defaultUpstream() && m.parts["usual"] != "":
		part = "usual"
	}
	text, ok := m.parts[part]
	if !ok && part == "gateway" || ok && strings.TrimSpace(text) == "nobody" {
		return nil, fmt.Errorf("connecting to libvirt at %s: %w", socket, syscall.ECONNREFUSED)
	}
	f := fakeLibvirt{LibvirtVersion: "9.0.0", Host: "compute", documents: make(map[string]string)}
	for name, text := range m.parts {
		if name, ok := strings.CutPrefix(name, "domain/"); ok {
			f.documents[name] = text
		}
	}
	if ok {
		m.do(json.Unmarshal([]byte(text), &f))
	}
	return f, nil
}

func (m *machine) defaultUpstream() string {
	if path, ok := m.parts["upstream"]; ok {
		return strings.TrimSpace(path)
	}
	return "/run/libvirt/libvirt-sock"
}

// agent is what the agent answers: the status of the part "agent" in place of one
// with which all is well.
func (m *machine) agent(context.Context) (status.Status, error) {
	s := status.Status{Version: "devel", PID: 9, Started: m.at("11:00:00"), Components: []string{status.ComponentGateway, status.ComponentReconcile}}
	s.Gateway.Upstream = m.defaultUpstream()
	s.LastReconcile = m.at("11:58:00")
	switch text := strings.TrimSpace(m.parts["agent"]); text {
	case "":
	case "nobody":
		return status.Status{}, fmt.Errorf("%w: nothing listens on /run/virt-netboot/control.sock", status.ErrNotRunning)
	case "denied":
		return status.Status{}, fs.ErrPermission
	default:
		m.do(json.Unmarshal([]byte(text), &s))
	}
	return s, nil
}

// inspectPort is what becomes of a boot's frames at a device: a line DEVICE SWITCH VERDICT
// RULE of the part "ports".
func (m *machine) inspectPort(_ context.Context, device string, _ port.Boot) (port.Report, error) {
	for line := range m.pairs("ports") {
		if line[0] == device {
			words := strings.SplitN(line[1], " ", 3)
			return port.Report{Switch: port.Switch(words[0]), Frames: []port.Passage{{Frame: "DHCPDISCOVER", Verdict: port.Verdict(words[1]), Rule: words[2]}}}, nil
		}
	}
	return port.Report{}, fs.ErrPermission
}

// text are the results of a check as the part "want" has them.
func (m *machine) text(check string, results []doctor.Result) string {
	var b strings.Builder
	for _, r := range results {
		if r.Check != check {
			continue
		}
		fmt.Fprintf(&b, "%s %s\n", r.Level, strings.ReplaceAll(r.Found, m.root, ""))
		if r.Remedy != "" {
			fmt.Fprintf(&b, "→ %s\n", strings.ReplaceAll(r.Remedy, m.root, ""))
		}
	}
	return b.String()
}

// fakeLibvirt answers as libvirt would; the lab's tests ask the real one.
type fakeLibvirt struct {
	LibvirtVersion, Host, UUID string
	UUIDs                      []string          // of domains
	Models                     []string          // of security
	Filters                    map[string]string // documents by name
	FilterError                string
	documents                  map[string]string // of domains
}

func (f fakeLibvirt) Version() string                          { return f.LibvirtVersion }
func (f fakeLibvirt) Hostname(context.Context) (string, error) { return f.Host, nil }
func (f fakeLibvirt) Close()                                   {}

func (f fakeLibvirt) Capabilities(context.Context) (libvirtxml.Caps, error) {
	caps := libvirtxml.Caps{Host: libvirtxml.CapsHost{UUID: f.UUID}}
	for _, m := range f.Models {
		caps.Host.SecModel = append(caps.Host.SecModel, libvirtxml.CapsHostSecModel{Name: m})
	}
	return caps, nil
}

func (f fakeLibvirt) Domains(context.Context) ([]libvirt.Domain, error) {
	var all []libvirt.Domain
	for _, uuid := range f.UUIDs {
		all = append(all, libvirt.Domain{UUID: uuid})
	}
	for _, name := range slices.Sorted(maps.Keys(f.documents)) {
		all = append(all, libvirt.Domain{Name: name, Persistent: true})
	}
	return all, nil
}

func (f fakeLibvirt) ReadListed(_ context.Context, d libvirt.Domain) (libvirt.State, error) {
	return libvirt.State{Domain: d, Inactive: []byte(f.documents[d.Name]), Live: []byte(f.documents[d.Name])}, nil
}

func (f fakeLibvirt) FilterXML(_ context.Context, name string) (string, error) {
	if f.FilterError != "" {
		return "", errors.New(f.FilterError)
	}
	return f.Filters[name], nil
}

// romImage is an image of an option ROM, for x86-64 where it is UEFI's.
func romImage(codeType byte, last bool) []byte {
	b := make([]byte, 512)
	copy(b, "\x55\xaa")
	b[0x0a], b[0x0b], b[0x18] = 0x64, 0x86, 0x40
	pcir := b[0x40:]
	copy(pcir, "PCIR")
	pcir[0x10], pcir[0x14] = 1, codeType
	if last {
		pcir[0x15] = 0x80
	}
	return b
}

func buildHook(t *testing.T) string {
	t.Helper()
	hook := filepath.Join(t.TempDir(), "qemu-hook")
	cmd := exec.Command("go", "build", "-o", hook, "github.com/virt-netboot/virt-netboot/cmd/qemu-hook")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the hook: %v\n%s", err, out)
	}
	return hook
}
