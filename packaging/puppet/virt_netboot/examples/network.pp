# A network node whose dnsmasq leaves iPXE to the tenants' servers.
include neutron::deps
include virt_netboot::dnsmasq
