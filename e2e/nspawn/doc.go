// Package nspawn runs a Debian in a container of systemd-nspawn, on trees of packages
// that are cached between runs. Its callers have the build tag packages or openstack.
package nspawn
