#!/bin/sh
# ovn.sh dhcp|nodhcp sec|nosec: an Open vSwitch that OVN programs, with two ports:
# GUEST_PORT (GUEST_MAC, GUEST_ADDRESS) and OTHER_PORT. It runs without the kernel's
# module, in userspace.
set -eu
dhcp=$1 security=$2
mkdir -p /run/openvswitch /run/ovn /run/ovsdb
ovsdb() { # NAME SCHEMA SOCKET
	ovsdb-tool create "/run/ovsdb/$1.db" "$2"
	ovsdb-server "/run/ovsdb/$1.db" --remote=punix:"$3" --unixctl="/run/ovsdb/$1.ctl" --detach --pidfile="/run/ovsdb/$1.pid" --log-file="/run/ovsdb/$1.log"
}
ovsdb conf /usr/share/openvswitch/vswitch.ovsschema /run/openvswitch/db.sock
ovsdb nb /usr/share/ovn/ovn-nb.ovsschema /run/ovn/ovnnb_db.sock
ovsdb sb /usr/share/ovn/ovn-sb.ovsschema /run/ovn/ovnsb_db.sock
ovs-vsctl --no-wait init
ovs-vswitchd --detach --pidfile --log-file=/run/ovsdb/vswitchd.log
ovn-northd --detach --pidfile=/run/ovn/northd.pid --unixctl=/run/ovn/northd.ctl --log-file=/run/ovsdb/northd.log
ovs-vsctl set open_vswitch . external-ids:system-id=node1 external-ids:ovn-remote=unix:/run/ovn/ovnsb_db.sock \
	external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=127.0.0.1
ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev fail-mode=secure other-config:disable-in-band=true
ovn-controller --detach --pidfile=/run/ovn/controller.pid --log-file=/run/ovsdb/controller.log

port() { # NAME DEVICE MAC ADDRESS
	ovn-nbctl lsp-add net "$1"
	if [ "$security" = sec ]; then
		ovn-nbctl lsp-set-addresses "$1" "$3 $4" -- lsp-set-port-security "$1" "$3 $4"
	else
		ovn-nbctl lsp-set-addresses "$1" "$3 $4" unknown
	fi
	ovs-vsctl add-port br-int "$2" -- set interface "$2" external_ids:iface-id="$1"
}
ovn-nbctl ls-add net
port guest "$GUEST_PORT" "$GUEST_MAC" "$GUEST_ADDRESS"
port other "$OTHER_PORT" "$OTHER_MAC" "$OTHER_ADDRESS"
if [ "$dhcp" = dhcp ]; then
	options=$(ovn-nbctl create DHCP_Options cidr=10.1.0.0/24 \
		options='"server_id"="10.1.0.1" "server_mac"="02:00:00:00:00:01" "lease_time"="3600" "router"="10.1.0.1"')
	ovn-nbctl lsp-set-dhcpv4-options guest "$options"
fi
ovn-nbctl --wait=hv sync
