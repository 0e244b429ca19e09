// Package packages tests virt-netboot's packages in a Debian that systemd runs in a
// container, with libvirt, QEMU and Nova from Debian: Debian 12, or the release that
// $DEBIAN_RELEASE names. Its tests have the build tag packages: make test-packages. Two
// run at a time; those that count starts in a time run alone.
package packages
