package gateway

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/virt-netboot/virt-netboot/internal/credentials"
)

// TestMain lets a test run this binary as another user.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "-helper" {
		if err := helper(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func helper(name string, args []string) error {
	switch name {
	case "ping":
		return pingHelper(args[0])
	case "activated":
		return activatedHelper()
	}
	return fmt.Errorf("no helper %s", name)
}

// pingHelper sends a frame and wants it back.
func pingHelper(path string) error {
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	if _, err := c.Write(frameOf(ping, nil)); err != nil {
		return err
	}
	_, err = nextFrame(c)
	return err
}

// thread is what the kernel says of a thread in /proc.
type thread struct{ Uid, Gid string }

func threadStatus(path string) (thread, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return thread{}, err
	}
	field := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		field[name] = strings.Join(strings.Fields(value), " ")
	}
	return thread{field["Uid"], field["Gid"]}, nil
}

// run runs this binary's helper as a user.
func run(who credentials.Credentials, args ...string) (string, error) {
	cmd := exec.Command("/proc/self/exe", append([]string{"-helper"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: who.UID, Gid: who.GID, Groups: who.Groups},
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it connects as other users")
	}
}

// openTo makes a socket of the lab and its directories reachable for others.
func openTo(t *testing.T, path string, gid int, mode os.FileMode) {
	t.Helper()
	if err := os.Chown(path, -1, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

const libvirtGroup = 4321

func TestConnectsAsTheClient(t *testing.T) {
	needRoot(t)
	tests := map[string]struct {
		mode os.FileMode // of libvirt's socket, whose group is libvirtGroup
		who  credentials.Credentials
		let  bool
	}{
		"root":                                {0o600, credentials.Credentials{UID: 0, GID: 0}, true},
		"nobody, open to all":                 {0o666, credentials.Credentials{UID: 65534, GID: 65534}, true},
		"nobody, open to the group":           {0o660, credentials.Credentials{UID: 65534, GID: 65534, Groups: []uint32{1}}, false},
		"a user by the main group":            {0o660, credentials.Credentials{UID: 1000, GID: libvirtGroup}, true},
		"a user by a supplementary group":     {0o660, credentials.Credentials{UID: 1000, GID: 1000, Groups: []uint32{1000, libvirtGroup}}, true},
		"a user with many groups":             {0o660, credentials.Credentials{UID: 1000, GID: 1000, Groups: append(manyGroups(100), libvirtGroup)}, true},
		"a user whom the group shuts out":     {0o606, credentials.Credentials{UID: 1000, GID: libvirtGroup}, false},
		"a user of root's group but not root": {0o600, credentials.Credentials{UID: 1000, GID: 0}, false},
	}
	t.Run("clients", func(t *testing.T) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				checkConnectsAs(t, tt.who, tt.mode, tt.let)
			})
		}
	})
	t.Run("no thread stays another user", func(t *testing.T) {
		threads, err := filepath.Glob("/proc/self/task/*/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range threads {
			s, err := threadStatus(path)
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Uid != "0 0 0 0" || s.Gid != "0 0 0 0" {
				t.Errorf("%s: %+v", path, s)
			}
		}
	})
}

// checkConnectsAs has a client connect to a gateway in front of a socket of that mode,
// whose group is libvirtGroup.
func checkConnectsAs(t *testing.T, who credentials.Credentials, mode os.FileMode, let bool) {
	l := newLab(t)
	upstream := l.Upstream()
	openTo(t, upstream, libvirtGroup, mode)
	eventually(t, "the gateway follows libvirt's mode", func() bool {
		a, err := accessOf(l.path)
		return err == nil && a == access{mode, libvirtGroup}
	})
	// Even where the gateway's own socket lets everybody in.
	openTo(t, l.path, 0, 0o666)

	seen := make(chan peer, 1)
	go func() {
		c, err := l.libvirt.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		f, err := c.File()
		if err != nil {
			return
		}
		defer f.Close()
		p, err := peerOf(int(f.Fd()))
		if err != nil {
			return
		}
		seen <- p
		if m, err := nextFrame(c); err == nil {
			c.Write(m.Bytes)
		}
	}()
	out, err := run(who, "ping", l.path)
	if (err == nil) != let {
		t.Fatalf("client: %v, %s", err, out)
	}
	if !let {
		e := l.logged(t, "permission denied")
		if e.Data["UID"] != who.UID || e.Data["GID"] != who.GID || e.Data["REASON"] != rejectUpstream {
			t.Errorf("the log does not say who was refused: %v", e.Data)
		}
		return
	}
	p := <-seen
	if slices.Sort(who.Groups); !p.Equal(who) {
		t.Errorf("libvirt sees %+v, want %+v", p.Credentials, who)
	}
	if p.pid != int32(os.Getpid()) {
		t.Errorf("libvirt sees process %d", p.pid)
	}
}

func manyGroups(n uint32) []uint32 {
	var gs []uint32
	for i := range n {
		gs = append(gs, 10000+i)
	}
	return gs
}
