#!/bin/sh
# neutron-rules.sh on|pair|off TAP MAC ADDRESS: the rules of a port as Neutron's Linux
# bridge agent writes them (neutron/agent/linux/iptables_firewall.py and
# arp_protect.py). With pair the port may use the tenant's subnet, and its security
# group lets the tenant's DHCP server answer.
set -eu
mode=$1 tap=$2 mac=$3 address=$4
id=$(echo "$tap" | cut -c4-13)

forward() {
	echo "-A neutron-linuxbri-FORWARD -m physdev --physdev-out $tap --physdev-is-bridged $1"
	echo "-A neutron-linuxbri-FORWARD -m physdev --physdev-in $tap --physdev-is-bridged $1"
}

pair_source() { [ "$mode" != pair ] || echo "-A neutron-linuxbri-s$id -s 10.77.0.0/24 -m mac --mac-source $mac -m comment --comment \"Allow traffic from defined IP/MAC pairs.\" -j RETURN"; }
pair_rule() { [ "$mode" != pair ] || echo "-A neutron-linuxbri-i$id -s 10.77.0.1/32 -p udp -m udp --dport 68 -j RETURN"; }

if [ "$mode" = off ]; then
	{
		printf '*filter\n:FORWARD ACCEPT [0:0]\n:neutron-linuxbri-FORWARD - [0:0]\n-A FORWARD -j neutron-linuxbri-FORWARD\n'
		forward '-m comment --comment "Accept all packets when port security is disabled." -j ACCEPT'
		echo COMMIT
	} | iptables-restore
	exit
fi

iptables-restore <<RULES
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:neutron-filter-top - [0:0]
:neutron-linuxbri-FORWARD - [0:0]
:neutron-linuxbri-INPUT - [0:0]
:neutron-linuxbri-local - [0:0]
:neutron-linuxbri-i$id - [0:0]
:neutron-linuxbri-o$id - [0:0]
:neutron-linuxbri-s$id - [0:0]
:neutron-linuxbri-sg-chain - [0:0]
:neutron-linuxbri-sg-fallback - [0:0]
-A INPUT -j neutron-linuxbri-INPUT
-A FORWARD -j neutron-filter-top
-A FORWARD -j neutron-linuxbri-FORWARD
-A neutron-filter-top -j neutron-linuxbri-local
$(forward '-m comment --comment "Direct traffic from the VM interface to the security group chain." -j neutron-linuxbri-sg-chain')
-A neutron-linuxbri-INPUT -m physdev --physdev-in $tap --physdev-is-bridged -m comment --comment "Direct incoming traffic from VM to the security group chain." -j neutron-linuxbri-o$id
-A neutron-linuxbri-i$id -m state --state RELATED,ESTABLISHED -m comment --comment "Direct packets associated with a known session to the RETURN chain." -j RETURN
-A neutron-linuxbri-i$id -d $address/32 -p udp -m udp --sport 67 --dport 68 -j RETURN
-A neutron-linuxbri-i$id -d 255.255.255.255/32 -p udp -m udp --sport 67 --dport 68 -j RETURN
$(pair_rule)
-A neutron-linuxbri-i$id -m state --state INVALID -m comment --comment "Drop packets that appear related to an existing connection (e.g. TCP ACK/FIN) but do not have an entry in conntrack." -j DROP
-A neutron-linuxbri-i$id -m comment --comment "Send unmatched traffic to the fallback chain." -j neutron-linuxbri-sg-fallback
-A neutron-linuxbri-o$id -s 0.0.0.0/32 -d 255.255.255.255/32 -p udp -m udp --sport 68 --dport 67 -m comment --comment "Allow DHCP client traffic." -j RETURN
-A neutron-linuxbri-o$id -j neutron-linuxbri-s$id
-A neutron-linuxbri-o$id -p udp -m udp --sport 68 --dport 67 -m comment --comment "Allow DHCP client traffic." -j RETURN
-A neutron-linuxbri-o$id -p udp -m udp --sport 67 --dport 68 -m comment --comment "Prevent DHCP Spoofing by VM." -j DROP
-A neutron-linuxbri-o$id -m state --state RELATED,ESTABLISHED -m comment --comment "Direct packets associated with a known session to the RETURN chain." -j RETURN
-A neutron-linuxbri-o$id -j RETURN
-A neutron-linuxbri-o$id -m state --state INVALID -j DROP
-A neutron-linuxbri-o$id -m comment --comment "Send unmatched traffic to the fallback chain." -j neutron-linuxbri-sg-fallback
-A neutron-linuxbri-s$id -s $address/32 -m mac --mac-source $mac -m comment --comment "Allow traffic from defined IP/MAC pairs." -j RETURN
$(pair_source)
-A neutron-linuxbri-s$id -m comment --comment "Drop traffic without an IP/MAC allow rule." -j DROP
-A neutron-linuxbri-sg-chain -m physdev --physdev-out $tap --physdev-is-bridged -m comment --comment "Jump to the VM specific chain." -j neutron-linuxbri-i$id
-A neutron-linuxbri-sg-chain -m physdev --physdev-in $tap --physdev-is-bridged -m comment --comment "Jump to the VM specific chain." -j neutron-linuxbri-o$id
-A neutron-linuxbri-sg-chain -j ACCEPT
-A neutron-linuxbri-sg-fallback -m comment --comment "Default drop rule for unmatched traffic." -j DROP
COMMIT
RULES

eb() { ebtables -t nat --concurrent "$@"; }
eb -N "neutronMAC-$tap" -P DROP
eb -A "neutronMAC-$tap" -j DROP
eb -I PREROUTING -i "$tap" -j "neutronMAC-$tap"
eb -I "neutronMAC-$tap" -i "$tap" --among-src "$mac" -j RETURN
eb -N "neutronARP-$tap" -P DROP
eb -A "neutronARP-$tap" -j DROP
for a in "$address" $([ "$mode" != pair ] || echo 10.77.0.0/24); do
	eb -I "neutronARP-$tap" -p ARP --arp-ip-src "$a" -j ACCEPT
done
eb -A PREROUTING -i "$tap" -j "neutronARP-$tap" -p ARP
