package lab

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Missing says what this machine lacks for a lab, in words for a person; empty
// when it lacks nothing.
func Missing() string {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root (namespaces and mounts)")
	}
	if packages := missingPackages(); len(packages) > 0 {
		missing = append(missing, fmt.Sprintf("Debian packages (apt-get install %s)", strings.Join(packages, " ")))
	}
	return strings.Join(missing, " and ")
}

// missingPackages are the Debian packages whose programs are not there.
func missingPackages() []string {
	var packages []string
	for _, need := range []struct{ file, pkg string }{
		{"libvirtd", "libvirt-daemon"},
		{"/etc/libvirt/nwfilter/clean-traffic.xml", "libvirt-daemon-config-nwfilter"},
		{"virsh", "libvirt-clients"},
		{"qemu-system-x86_64", "qemu-system-x86"},
		{ROMDir() + "/efi-virtio.rom", "ipxe-qemu"},
		{"/usr/lib/ipxe/ipxe.lkrn", "ipxe"},
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"},
		{"qemu-img", "qemu-utils"},
		{"ip", "iproute2"},
		{"ebtables", "iptables"},
		{"dnsmasq", "dnsmasq-base"},
		{"dhcpd", "isc-dhcp-server"},
		{"kea-dhcp4", "kea-dhcp4-server"},
		{"setpriv", "util-linux"},
		{"script", "bsdutils"},
		{"tcpdump", "tcpdump"},
		{"xmllint", "libxml2-utils"},
		{"/usr/lib/python3/dist-packages/libvirt.py", "python3-libvirt"},
		{journaldPath, "systemd"},
	} {
		if !present(need.file) && !slices.Contains(packages, need.pkg) {
			packages = append(packages, need.pkg)
		}
	}
	return packages
}

// ROMDir is where QEMU's option ROMs, which are iPXE, lie, empty where there are none.
// Debian 13 has them elsewhere than Debian 12.
func ROMDir() string {
	for _, dir := range []string{"/usr/lib/ipxe/qemu", "/usr/share/qemu"} {
		if present(dir + "/efi-virtio.rom") {
			return dir
		}
	}
	return ""
}

func present(file string) bool {
	if strings.HasPrefix(file, "/") {
		_, err := os.Stat(file)
		return err == nil
	}
	if _, err := exec.LookPath(file); err == nil {
		return true
	}
	// Where root's programs are, if root's PATH does not say so.
	_, err := os.Stat("/usr/sbin/" + file)
	return err == nil
}
