//go:build packages

package packages

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// defaultRelease is which Debian the node runs, unless $DEBIAN_RELEASE names another.
const defaultRelease = "bookworm"

// treePackages are what a compute node has besides Debian's base, with what deploys it.
const treePackages = "libvirt-daemon-system libvirt-clients qemu-system-x86 ipxe-qemu qemu-utils polkitd " +
	"python3-nova python3-libvirt iproute2 procps apparmor " +
	"puppet-agent puppet-module-nova puppet-module-neutron ansible python3-apt"

// makeTree is a shell script that makes a tree of the Debian release $5 in $1 from the
// mirror $2, with the sources.list in $3 and the packages in $4.
const makeTree = `
set -eu
debootstrap --variant=minbase --include=systemd-sysv,dbus,ca-certificates "$5" "$1" "$2"
` + installPackages + `# libvirt cannot use those of a host without the unified hierarchy alone.
printf 'cgroup_controllers = [ ]\n' >>"$1/etc/libvirt/qemu.conf"
`

// installPackages is the part of makeTree that needs no more than a tree.
const installPackages = `printf '%s' "$3" >"$1/etc/apt/sources.list"
cp /etc/resolv.conf "$1/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
mount -t proc proc "$1/proc"
trap 'umount "$1/proc"' EXIT
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$1" apt-get update -qq
# shellcheck disable=SC2086
chroot "$1" apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io $4
chroot "$1" apt-get clean
rm "$1/usr/sbin/policy-rc.d" "$1/etc/resolv.conf" "$1/etc/apt/sources.list"
rm -rf "$1"/var/lib/apt/lists/*
`

// tree returns a Debian tree, from the cache where one is there.
func tree(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/var/tmp"
	}
	release := cmp.Or(os.Getenv("DEBIAN_RELEASE"), defaultRelease)
	key := sha256.Sum256([]byte(makeTree + treePackages))
	dir := filepath.Join(cache, "virt-netboot-e2e", fmt.Sprintf("%s-%x", release, key[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	t.Logf("making a Debian tree in %s", dir)
	mirror, sources := aptSources(t, release)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "tree")
	run(t, exec.Command("sh", "-c", makeTree, "make-tree", made, mirror, sources, treePackages, release))
	if err := os.Rename(made, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// treeWith returns the layers of a tree with one more package, from the cache where
// they are there: lowerdir= of an overlay.
func treeWith(t *testing.T, name string) string {
	t.Helper()
	below := tree(t)
	dir := below + "-" + name
	layers := dir + ":" + below
	if _, err := os.Stat(dir); err == nil {
		return layers
	}
	t.Logf("adding %s to the Debian tree in %s", name, dir)
	_, sources := aptSources(t, cmp.Or(os.Getenv("DEBIAN_RELEASE"), defaultRelease))
	work, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	install := func() {
		root, unmount := overlay(t, below, work)
		defer unmount()
		run(t, exec.Command("sh", "-euc", installPackages, "install-packages", root, "", sources, name))
	}
	install()
	if err := os.Rename(filepath.Join(work, "upper"), dir); err != nil {
		t.Fatal(err)
	}
	return layers
}

// overlay mounts a tree in a directory, whose upper gets what is written to it.
func overlay(t *testing.T, lower, dir string) (root string, unmount func()) {
	t.Helper()
	root = filepath.Join(dir, "root")
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, dir, dir)
	if err := syscall.Mount("overlay", root, "overlay", 0, options); err != nil {
		t.Fatalf("mounting an overlay on %s: %v", root, err)
	}
	return root, func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", root, err)
		}
	}
}

// aptSources are a release's mirror and sources.list: where this machine gets its own
// release from, and that one's updates and security.
func aptSources(t *testing.T, release string) (mirror, list string) {
	t.Helper()
	out := run(t, exec.Command("apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)",
		"Created-By: Packages", "Component: main"))
	for line := range strings.Lines(out) {
		var origin, suite, uri string
		if n, _ := fmt.Sscan(line, &origin, &suite, &uri); n != 3 || origin != "Debian" {
			continue
		}
		_, part, isPart := strings.Cut(suite, "-")
		if !isPart {
			mirror, suite = uri, release
		} else {
			suite = release + "-" + part
		}
		if entry := fmt.Sprintf("deb %s %s main\n", uri, suite); !strings.Contains(list, entry) {
			list += entry
		}
	}
	if mirror == "" {
		t.Fatal("apt on this machine has no source of Debian; run apt-get update")
	}
	return mirror, list
}

// run runs a command and returns its standard output.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
