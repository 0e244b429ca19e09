package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
)

const (
	libvirtdName   = "libvirtd"
	virtlogdName   = "virtlogd"
	virtlogdSocket = "/run/libvirt/virtlogd-sock"

	// LibvirtSocket is libvirtd's own socket; AdminSocket answers virt-admin.
	LibvirtSocket = "/run/libvirt/libvirt-sock"
	AdminSocket   = "/run/libvirt/libvirt-admin-sock"
	// HookPath is where a hook is installed for libvirt's QEMU driver.
	HookPath = "/etc/libvirt/hooks/qemu.d/50-virt-netboot"
)

// libvirtdConf lets all users in, since there is no polkit to ask.
const libvirtdConf = `unix_sock_group = "libvirt"
unix_sock_rw_perms = "0777"
auth_unix_rw = "none"
max_clients = 200
log_outputs = "3:stderr"
`

// qemuConf keeps libvirt's hands off the host's cgroups and security profiles.
const qemuConf = `security_driver = "none"
cgroup_controllers = [ ]
`

func (l *Lab) startVirtlogd(ctx context.Context) error {
	_, err := startDaemon(ctx, virtlogdName, exec.Command("virtlogd"), func() error { return connectable(virtlogdSocket) })
	return err
}

// StartLibvirtd starts libvirtd and waits until it answers. It is running in a
// lab that Open returned.
func (l *Lab) StartLibvirtd(ctx context.Context) error {
	for path, text := range map[string]string{
		"/etc/libvirt/libvirtd.conf": l.options.LibvirtdConf + libvirtdConf,
		"/etc/libvirt/qemu.conf":     qemuConf,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	d, err := startDaemon(ctx, libvirtdName, exec.Command("libvirtd"), func() error {
		_, err := l.Virsh(ctx, "version")
		return err
	})
	l.libvirtd = d
	return err
}

// StopLibvirtd stops libvirtd as systemctl stop does; guests run on.
func (l *Lab) StopLibvirtd() error { return l.libvirtd.stop() }

// KillLibvirtd ends libvirtd with SIGKILL; guests run on.
func (l *Lab) KillLibvirtd() { l.libvirtd.kill() }

// RestartLibvirtd is StopLibvirtd and StartLibvirtd.
func (l *Lab) RestartLibvirtd(ctx context.Context) error {
	if err := l.StopLibvirtd(); err != nil {
		return err
	}
	return l.StartLibvirtd(ctx)
}

// Virsh runs virsh against libvirtd's own socket and returns what it wrote to
// its standard output.
func (l *Lab) Virsh(ctx context.Context, args ...string) (string, error) {
	return l.Command(ctx, "virsh", virshArgs(LibvirtSocket, args)...)
}

func virshArgs(socket string, args []string) []string {
	return append([]string{"--quiet", "--connect", URI(socket)}, args...)
}

// URI is the address of libvirt's system connection through a socket.
func URI(socket string) string { return "qemu+unix:///system?socket=" + socket }

// connectable returns nil when a server listens on the unix socket.
func connectable(path string) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", path, err)
	}
	return conn.Close()
}
