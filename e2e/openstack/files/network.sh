#!/bin/bash
# network.sh linuxbridge|openvswitch|hybrid|ovn: configures Neutron's driver, before the node
# starts.
set -eu
export SYSTEMCTL_SKIP_SYSV=1 # update-rc.d takes seconds for each unit
driver=$1
firewall=openvswitch
if [ "$driver" = hybrid ]; then
	driver=openvswitch firewall=iptables_hybrid
fi

neutron="neutron-api neutron-rpc-server"
if [ "$driver" = ovn ]; then
	agents=
	neutron="neutron-server"
	sed -i 's/^service_plugins =.*/service_plugins = ovn-router/' /etc/neutron/neutron.conf
else
	agents="neutron-$driver-agent neutron-dhcp-agent"
fi
cat >/etc/neutron/plugins/ml2/ml2_conf.ini <<EOT
[ml2]
type_drivers = local,geneve
tenant_network_types = $([ "$driver" = ovn ] && echo geneve || echo local)
mechanism_drivers = $driver
extension_drivers = port_security
[ml2_type_geneve]
vni_ranges = 1:1000
max_header_size = 38
[securitygroup]
enable_security_group = true
[ovn]
ovn_nb_connection = tcp:127.0.0.1:6641
ovn_sb_connection = tcp:127.0.0.1:6642
ovn_metadata_enabled = false
EOT
cat >/etc/neutron/plugins/ml2/linuxbridge_agent.ini <<EOT
[vxlan]
enable_vxlan = false
[securitygroup]
firewall_driver = iptables
EOT
# Without the kernel's module Open vSwitch forwards in userspace.
cat >/etc/neutron/plugins/ml2/openvswitch_agent.ini <<EOT
[ovs]
datapath_type = netdev
[securitygroup]
firewall_driver = $firewall
EOT
cat >/etc/neutron/dhcp_agent.ini <<EOT
[DEFAULT]
interface_driver = $driver
dhcp_driver = neutron.agent.linux.dhcp.Dnsmasq
EOT

# Neutron sends no event for a port that goes and comes between two looks of its agent,
# as in the revert of a resize on one node. Otherwise Nova waits five minutes and gives up.
sed -i '/^\[DEFAULT\]/a vif_plugging_timeout = 60\nvif_plugging_is_fatal = false' /etc/nova/nova.conf

# The Linux bridge agent takes its name from an interface with a MAC address.
cat >/etc/systemd/system/uplink.service <<EOT
[Unit]
Before=neutron-linuxbridge-agent.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link add uplink0 type veth peer name uplink1
ExecStart=ip link set uplink0 up
[Install]
WantedBy=multi-user.target
EOT
# Under uWSGI, as neutron-api runs, Neutron 21 does not hear what OVN says.
cat >/etc/systemd/system/neutron-server.service <<EOT
[Unit]
After=mariadb.service rabbitmq-server.service keystone.service
[Service]
User=neutron
ExecStart=neutron-server --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/plugins/ml2/ml2_conf.ini \
	--log-file /var/log/neutron/neutron-server.log
Restart=on-failure
[Install]
WantedBy=multi-user.target
EOT
cat >/etc/systemd/system/ovn-settings.service <<EOT
[Unit]
Requires=ovn-ovsdb-server-nb.service ovn-ovsdb-server-sb.service openvswitch-switch.service
After=ovn-ovsdb-server-nb.service ovn-ovsdb-server-sb.service openvswitch-switch.service
Before=ovn-controller.service neutron-server.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStartPre=sh -c 'until [ -S /run/ovn/ovnnb_db.sock ] && [ -S /run/ovn/ovnsb_db.sock ]; do sleep 0.2; done'
ExecStart=ovn-nbctl set-connection ptcp:6641:127.0.0.1
ExecStart=ovn-sbctl set-connection ptcp:6642:127.0.0.1
# Nova plugs an instance's device through this one. Neutron's OVS agent opens it itself.
ExecStart=ovs-vsctl set-manager ptcp:6640:127.0.0.1
ExecStart=ovs-vsctl set open_vswitch . external-ids:system-id=node1 external-ids:hostname=node1 \
	external-ids:ovn-remote=tcp:127.0.0.1:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=127.0.0.1 \
	external-ids:ovn-bridge-datapath-type=netdev
[Install]
WantedBy=multi-user.target
EOT
case $driver in
linuxbridge) systemctl enable -q uplink ;;
openvswitch) systemctl enable -q openvswitch-switch ;;
ovn) systemctl enable -q openvswitch-switch ovn-central ovn-settings ovn-host ;;
esac
# shellcheck disable=SC2086
systemctl enable -q $neutron nova-compute $agents
