// Package packages tests virt-netboot's packages in a Debian 12 that systemd runs
// in a container, with libvirt, QEMU and Nova from Debian. Its tests have the build
// tag packages: make test-packages.
package packages
