//go:build packages

package packages

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestRestart restarts the latest release's agent, and upgrades it to this commit's, under clients of libvirt with calls, a
// volume's upload and download, events, a console and a migration: none of them notices.
func TestRestart(t *testing.T) {
	const restarts, clients = 20, 20
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	older, newer := released(t), build(t, "99.0.0")
	if older == "" {
		older = build(t, "0.9.0")
	}
	n, other := boot(t, tree(t)), boot(t, tree(t))
	link(t, n, other)
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, older)
	n.apt(t, "install", "virt-netboot")
	n.write(t, configPath, "mode: enforce\n")
	n.run(t, "systemctl", "restart", "virt-netboot")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=100", "--unit=virt-netboot*", "--unit=libvirtd"))
		}
	})
	for _, n := range []*node{n, other} {
		n.kernel(t)
	}
	n.run(t, "virsh", "create", n.talking(t, "console", 0))
	n.run(t, "virsh", "define", n.talking(t, "leaving", 300))
	other.talking(t, "leaving", 1) // its files are there
	n.run(t, "virsh", "start", "leaving")

	volumes := n.volumes(t)
	seen := n.clients(t, clients, "console")
	migration := n.background(t, "virsh", "-c", gatewayURI, "migrate", "--live", "--unsafe", "--persistent", "--bandwidth", "1", "leaving",
		"qemu+tcp://"+other.address+"/system", "tcp://"+other.address)
	restarted := 0
	restart := func(how ...string) {
		n.run(t, how...)
		restarted++
		time.Sleep(200 * time.Millisecond)
	}
	for range restarts {
		restart("systemctl", "restart", "virt-netboot")
	}
	if failed := n.run(t, "systemctl", "--failed", "--plain", "--no-legend", "list-units", "virt-netboot*"); failed != "" {
		t.Errorf("restarts leave failed units behind: %s", failed)
	}
	n.publish(t, older, newer)
	n.apt(t, "upgrade")
	if volumes.done() {
		t.Errorf("the upload and the download have ended before: %v", volumes.err)
	}
	s := seen()
	n.write(t, "/root/enough", "")
	volumes.wait(t)
	if migration.done() {
		t.Errorf("the migration has ended before (%v): this test tests nothing of it", migration.err)
	} else {
		n.run(t, "virsh", "migrate-setspeed", "leaving", "1000")
	}
	migration.wait(t)
	if xml := other.run(t, "virsh", "domstate", "leaving"); strings.TrimSpace(xml) != "running" {
		t.Errorf("the guest is %s at the other node", xml)
	}
	t.Logf("%d restarts and an upgrade: %+v", restarted, s)
	if len(s.Failures)+len(s.Lost) > 0 || s.Calls < 1000 || s.Connects < restarts || s.Console < 100 {
		t.Errorf("the clients saw %+v", s)
	}
}

// TestRestartFails: connections do not outlive an agent that is killed, or that does not
// start.
func TestRestartFails(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	n := boot(t, tree(t))
	n.write(t, "/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repository ./\n")
	n.publish(t, build(t, "1.0.0"))
	n.apt(t, "install", "virt-netboot")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.try("journalctl", "--no-pager", "--output=short-precise", "--lines=60", "--unit=virt-netboot*"))
		}
	})
	systemctl := func(args ...string) { n.run(t, append([]string{"systemctl"}, args...)...) }
	storeIsEmpty := func() {
		t.Helper()
		if got := strings.TrimSpace(n.run(t, "systemctl", "show", "-P", "NFileDescriptorStore", "virt-netboot")); got != "0" {
			t.Errorf("systemd keeps %s descriptors", got)
		}
	}
	for _, tt := range []struct {
		name   string
		ends   func()
		within time.Duration
	}{
		{"killed", func() { systemctl("kill", "--kill-whom=main", "--signal=KILL", "virt-netboot") }, time.Second},
		{"stopped", func() { systemctl("stop", "virt-netboot") }, time.Second},
		{"does not start", func() {
			n.shell(t, "echo nonsense >/root/program; chmod 755 /root/program; mv /root/program /usr/bin/virt-netboot; systemctl restart virt-netboot || true")
		}, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			systemctl("reset-failed", "virt-netboot.service")
			systemctl("start", "virt-netboot")
			ended := n.idleClient(t)
			systemctl("restart", "virt-netboot")
			select {
			case <-ended:
				t.Fatal("a restart has ended the connection")
			case <-time.After(time.Second):
			}
			storeIsEmpty()
			began := time.Now()
			tt.ends()
			select {
			case <-ended:
				t.Logf("the client sees the end after %v", time.Since(began))
			case <-time.After(tt.within):
				t.Errorf("the client does not see the end within %v", tt.within)
			}
			storeIsEmpty()
		})
	}
	await(t, "clients to bypass the agent", func() error {
		_, err := n.try("virsh", "-c", gatewayURI, "version")
		return err
	})
}

// idleClient connects to the gateway. The channel is closed when the connection ends.
func (n *node) idleClient(t *testing.T) <-chan struct{} {
	t.Helper()
	cmd := n.command("/usr/bin/python3", "-c", `import socket, struct
s = socket.socket(socket.AF_UNIX)
s.connect("/run/virt-netboot/libvirt-sock")
def call(procedure, payload): # remote_protocol.x
    s.send(struct.pack("!7I", 28 + len(payload), 0x20008086, 1, procedure, 0, 0, 0) + payload)
    return s.recv(1000)
call(66, b"") # AUTH_LIST
call(1, struct.pack("!2I16sI", 1, 14, b"qemu:///system", 0)) # CONNECT_OPEN
print(call(157, b"") != b"", flush=True) # CONNECT_GET_LIB_VERSION
s.recv(100)`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "True\n" {
		t.Fatalf("a client gets %q, %v", line, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return ended
}

// background is a program that runs in a node.
type background struct {
	ended chan struct{}
	err   error
}

func (n *node) background(t *testing.T, args ...string) *background {
	t.Helper()
	b := &background{ended: make(chan struct{})}
	cmd := n.command(args...)
	go func() {
		_, b.err = output(cmd)
		close(b.ended)
	}()
	return b
}

func (b *background) done() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

func (b *background) wait(t *testing.T) {
	t.Helper()
	select {
	case <-b.ended:
		if b.err != nil {
			t.Error(b.err)
		}
	case <-time.After(5 * time.Minute):
		t.Error("it does not end")
	}
}

const kernelPath = "/var/lib/libvirt/images/kernel"

func (n *node) kernel(t *testing.T) {
	t.Helper()
	n.write(t, kernelPath, string(lab.Kernel()))
}

// talking writes the document of a guest that writes to its console again and again. Its
// initrd takes a migration some time.
func (n *node) talking(t *testing.T, name string, initrdMiB int) string {
	t.Helper()
	os := "<kernel>" + kernelPath + "</kernel>"
	if initrdMiB > 0 {
		initrd := kernelPath + "-initrd"
		n.shell(t, fmt.Sprintf("head -c %dM /dev/urandom >%s", initrdMiB, initrd))
		os += "<initrd>" + initrd + "</initrd>"
	}
	path := "/root/" + name + ".xml"
	n.write(t, path, fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>%d</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type>%s</os>
  <devices><serial type='pty'/></devices>
</domain>
`, name, 64+2*initrdMiB, os))
	return path
}

// volumes has 2 GiB uploaded to a volume and downloaded from another, again and again
// until /root/enough is there.
func (n *node) volumes(t *testing.T) *background {
	t.Helper()
	n.shell(t, `mkdir /var/lib/libvirt/pool; cd /var/lib/libvirt
head -c 2G /dev/urandom >up
virsh -q pool-create-as pool dir --target /var/lib/libvirt/pool
virsh -q vol-create-as pool up 2G --format raw
cp up pool/down
virsh -q pool-refresh pool`)
	return n.background(t, "sh", "-euc", `cd /var/lib/libvirt
while ! [ -e /root/enough ]; do
	virsh -q -c '`+gatewayURI+`' vol-upload --pool pool up up & up=$!
	virsh -q -c '`+gatewayURI+`' vol-download --pool pool down down & down=$!
	wait $up; wait $down
	cmp up pool/up; cmp up down
done`)
}

// seen is what testdata/clients.py says.
type seen struct {
	Calls, Connects, Console, Defined, Events int
	Longest                                   float64
	Failures, Lost                            []string
}

// clients starts testdata/clients.py. The function that it returns ends it.
func (n *node) clients(t *testing.T, count int, console string) func() seen {
	t.Helper()
	script, err := os.ReadFile("testdata/clients.py")
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, "/root/clients.py", string(script))
	cmd := n.command("/usr/bin/python3", "/root/clients.py", gatewayURI, fmt.Sprint(count), console)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endCommand(cmd) })
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the clients say %q, %v", line, err)
	}
	return func() (s seen) {
		t.Helper()
		in.Close()
		text, err := io.ReadAll(lines)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil {
			t.Fatalf("the clients say %q: %v", text, err)
		}
		return s
	}
}

func endCommand(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // fails for one that has ended
	_ = cmd.Wait()
}
