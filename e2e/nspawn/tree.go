//go:build packages || openstack

package nspawn

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultRelease is which Debian the node runs, unless $DEBIAN_RELEASE names another.
const defaultRelease = "bookworm"

// treePackages are what a compute node has besides Debian's base, with what deploys it.
const treePackages = "libvirt-daemon-system libvirt-clients qemu-system-x86 ipxe-qemu qemu-utils polkitd " +
	"python3-nova python3-libvirt iproute2 procps apparmor " +
	"puppet-agent puppet-module-nova puppet-module-neutron ansible python3-apt"

// makeTree is a shell script that makes a tree of the Debian release $5 in $1 from the
// mirror $2, with the sources.list in $3 and the packages in $4.
const makeTree = debootstrap + installPackages + `# libvirt cannot use those of a host without the unified hierarchy alone.
printf 'cgroup_controllers = [ ]\n' >>"$1/etc/libvirt/qemu.conf"
`

// makeImage is makeTree for an instance, with a repository for its apt in
// /srv/repository: the packages in $6 and what they need.
const makeImage = debootstrap + addPackages + `
# shellcheck disable=SC2086
chroot "$1" apt-get install -y -qq --download-only $6
mkdir "$1/srv/repository"
mv "$1"/var/cache/apt/archives/*.deb "$1/srv/repository"
` + leaveApt

// debootstrap is the part of makeTree that makes Debian's base.
const debootstrap = `
set -eu
debootstrap --variant=minbase --include=systemd-sysv,dbus,ca-certificates "$5" "$1" "$2"
`

// installPackages is the part of makeTree that needs no more than a tree.
const installPackages = addPackages + leaveApt

// addPackages leaves apt with the mirror's lists, leaveApt takes them away.
const addPackages = `printf '%s' "$3" >"$1/etc/apt/sources.list"
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
`

const leaveApt = `rm "$1/usr/sbin/policy-rc.d" "$1/etc/resolv.conf" "$1/etc/apt/sources.list"
rm -rf "$1"/var/lib/apt/lists/*
`

// manyPythonPackages is installPackages without the Python that Debian starts for each
// package to compile its modules: all are compiled at the end.
const manyPythonPackages = `mv "$1/usr/bin/py3compile" "$1/root/py3compile"
ln -s true "$1/usr/bin/py3compile"
` + installPackages + `mv "$1/root/py3compile" "$1/usr/bin/py3compile"
# It fails for modules of another Python.
chroot "$1" python3 -m compileall -q -j 0 /usr/lib/python3/dist-packages || true
`

// Tree returns a compute node's Debian tree, from the cache where one is there. say is
// told what takes long.
func Tree(say func(string)) (string, error) { return cachedTree(say, makeTree, treePackages) }

// Image returns the Debian tree of an instance with packages installed, and with others
// in /srv/repository, from the cache where one is there.
func Image(say func(string), packages, others string) (string, error) {
	return cachedTree(say, makeImage, packages, others)
}

// cachedTree returns the tree that a script makes. It gets makeTree's arguments, and then
// more.
func cachedTree(say func(string), script, packages string, more ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/var/tmp"
	}
	key := sha256.Sum256([]byte(script + packages + strings.Join(more, " ")))
	dir := filepath.Join(cache, "virt-netboot-e2e", fmt.Sprintf("%s-%x", release(), key[:6]))
	return dir, cached(dir, func(work string) (string, error) {
		say("making a Debian tree in " + dir)
		mirror, sources, err := aptSources()
		if err != nil {
			return "", err
		}
		made := filepath.Join(work, "tree")
		args := []string{"sh", "-c", script, "make-tree", made, mirror, sources, packages, release()}
		return made, run(append(args, more...)...)
	})
}

// With returns the layers of a tree with more packages, from the cache where they are
// there: lowerdir= of an overlay.
func With(below, name, packages string, say func(string)) (string, error) {
	script := installPackages
	if strings.Count(packages, " ") > 20 {
		script = manyPythonPackages
	}
	return Layer(below, name, script+packages, say, func(root string) error {
		_, sources, err := aptSources()
		if err != nil {
			return err
		}
		return run("sh", "-euc", script, "install-packages", root, "", sources, packages)
	})
}

// Layer returns the layers of a tree with what change writes to it, from the cache where
// they are there. source is what change depends on besides the layers below.
func Layer(below, name, source string, say func(string), change func(root string) error) (string, error) {
	top, _, _ := strings.Cut(below, ":")
	key := sha256.Sum256([]byte(source))
	dir := fmt.Sprintf("%s-%s-%x", top, name, key[:6])
	return dir + ":" + below, cached(dir, func(work string) (string, error) {
		say(fmt.Sprintf("adding %s to the Debian tree in %s", name, dir))
		root, unmount, err := overlay(below, work)
		if err != nil {
			return "", err
		}
		return filepath.Join(work, "upper"), errors.Join(change(root), unmount())
	})
}

// cached makes a directory where it is missing, or waits until another process has. make
// gets an empty one beside it, and returns which part of that to keep.
func cached(dir string, make func(work string) (string, error)) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.Create(dir + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close() // and unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := make(work)
	if err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	return os.Rename(made, dir)
}

// overlay mounts a tree in a directory, whose upper gets what is written to it.
func overlay(lower, dir string) (root string, unmount func() error, err error) {
	root = filepath.Join(dir, "root")
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return "", nil, err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, dir, dir)
	if err := syscall.Mount("overlay", root, "overlay", 0, options); err != nil {
		return "", nil, fmt.Errorf("mounting an overlay on %s: %w", root, err)
	}
	return root, func() error {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", root, err)
		}
		return nil
	}, nil
}

func release() string { return cmp.Or(os.Getenv("DEBIAN_RELEASE"), defaultRelease) }

// aptSources are the release's mirror and sources.list: where this machine gets its own
// release from, and that one's updates and security.
func aptSources() (mirror, list string, err error) {
	out, err := Output(exec.Command("apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)",
		"Created-By: Packages", "Component: main"))
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(out) {
		var origin, suite, uri string
		if n, _ := fmt.Sscan(line, &origin, &suite, &uri); n != 3 || origin != "Debian" {
			continue
		}
		_, part, isPart := strings.Cut(suite, "-")
		if !isPart {
			mirror, suite = uri, release()
		} else {
			suite = release() + "-" + part
		}
		if entry := fmt.Sprintf("deb %s %s main\n", uri, suite); !strings.Contains(list, entry) {
			list += entry
		}
	}
	if mirror == "" {
		return "", "", errors.New("apt on this machine has no source of Debian; run apt-get update")
	}
	return mirror, list, nil
}

func run(args ...string) error {
	_, err := Output(exec.Command(args[0], args[1:]...))
	return err
}

// Output runs a command and returns its standard output. The error of one that fails has
// all that it wrote.
func Output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
