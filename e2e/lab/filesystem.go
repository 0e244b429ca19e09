package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// InstancesDir is where Nova keeps an instance's files. In a lab it lies on a
	// disk, all else on a tmpfs.
	InstancesDir = "/var/lib/nova/instances"

	hostname  = "compute"
	machineID = "6c61622d000040008000000000000001"
	layersDir = "/run/lab" // the upper layers of the overlays
)

// makeFileSystem gives this mount namespace a /proc, /sys, /dev and /run of its
// own, an /etc and a /var/lib whose changes go to a tmpfs, and libvirt's
// directories as they are right after its installation. The directory disks is
// mounted at InstancesDir.
func makeFileSystem(disks string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	for _, step := range []func() error{
		detachHost,
		func() error { return mount("proc", "/proc", "") },
		// Without cgroups, which are not the lab's: libvirt does without them.
		func() error { return mount("sysfs", "/sys", "") },
		makeDev,
		makeRun,
		func() error { return overlay("/etc") },
		func() error { return overlay("/var/lib") },
		makeEtc,
		makeLibvirtDirs,
		func() error { return makeInstancesDir(disks) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// detachHost takes the host's mounts away where the lab gets its own. libvirt
// reads /proc/mounts and moves what it finds below /dev; one that another hides
// it cannot move.
func detachHost() error {
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run"} {
		for {
			err := unix.Unmount(dir, unix.MNT_DETACH)
			if errors.Is(err, unix.EINVAL) { // no mount, or no more
				break
			}
			if err != nil {
				return fmt.Errorf("detaching %s: %w", dir, err)
			}
		}
	}
	return nil
}

// mount mounts a new file system of the kind on the directory.
func mount(kind, dir, options string) error {
	if err := unix.Mount(kind, dir, kind, 0, options); err != nil {
		return fmt.Errorf("mounting a %s on %s: %w", kind, dir, err)
	}
	return nil
}

// overlay lets the directory be written to without changing the host's.
func overlay(dir string) error {
	layer := filepath.Join(layersDir, dir)
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	if err := makeDirs(0o755, upper, work); err != nil {
		return err
	}
	return mount("overlay", dir, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work))
}

func makeDirs(mode os.FileMode, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
	}
	return nil
}

// makeDev makes the devices that QEMU and libvirt need. There is no /dev/kvm, so
// that a lab is the same on every machine.
func makeDev() error {
	if err := mount("tmpfs", "/dev", "mode=0755"); err != nil {
		return err
	}
	if err := makeDirs(0o755, "/dev/pts", "/dev/shm", "/dev/net"); err != nil {
		return err
	}
	if err := mount("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return err
	}
	if err := mount("tmpfs", "/dev/shm", "mode=1777"); err != nil {
		return err
	}
	for path, number := range map[string][2]uint32{
		"/dev/null":    {1, 3},
		"/dev/zero":    {1, 5},
		"/dev/full":    {1, 7},
		"/dev/random":  {1, 8},
		"/dev/urandom": {1, 9},
		"/dev/tty":     {5, 0},
		"/dev/net/tun": {10, 200},
	} {
		if err := unix.Mknod(path, unix.S_IFCHR, int(unix.Mkdev(number[0], number[1]))); err != nil {
			return fmt.Errorf("making %s: %w", path, err)
		}
		if err := os.Chmod(path, 0o666); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"/dev/ptmx":   "pts/ptmx",
		"/dev/fd":     "/proc/self/fd",
		"/dev/stdin":  "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1",
		"/dev/stderr": "/proc/self/fd/2",
		"/dev/log":    "/run/systemd/journal/dev-log",
	} {
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

func makeRun() error {
	if err := mount("tmpfs", "/run", "mode=0755"); err != nil {
		return err
	}
	return makeDirs(0o755, "/run/libvirt", "/run/lock", "/run/netns", "/run/systemd/journal")
}

// makeEtc names the machine, and forgets a virt-netboot or a Nova of the host's.
func makeEtc() error {
	for _, dir := range []string{filepath.Dir(ConfigPath), "/etc/nova"} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"/etc/machine-id": machineID + "\n",
		"/etc/hostname":   hostname + "\n",
		"/etc/hosts":      "127.0.0.1 localhost " + hostname + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeLibvirtDirs puts empty directories over libvirt's, with no more in them
// than the nwfilters that its package ships.
func makeLibvirtDirs() error {
	filters := os.DirFS("/etc/libvirt/nwfilter")
	shipped := filepath.Join(layersDir, "nwfilter")
	if err := os.CopyFS(shipped, filters); err != nil {
		return fmt.Errorf("copying libvirt's nwfilters: %w", err)
	}
	for _, dir := range []string{"/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt"} {
		if err := mount("tmpfs", dir, "mode=0755"); err != nil {
			return err
		}
	}
	if err := os.CopyFS("/etc/libvirt/nwfilter", os.DirFS(shipped)); err != nil {
		return fmt.Errorf("copying libvirt's nwfilters: %w", err)
	}
	return makeDirs(0o755, "/etc/libvirt/hooks", "/var/lib/libvirt/images")
}

func makeInstancesDir(disks string) error {
	if err := makeDirs(0o755, InstancesDir); err != nil {
		return err
	}
	if err := unix.Mount(disks, InstancesDir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", disks, InstancesDir, err)
	}
	// QEMU runs as a user of its own.
	return os.Chmod(InstancesDir, 0o755)
}
