include nova::deps
include neutron::deps
include virt_netboot
include virt_netboot::dnsmasq

service {
  default:
    ensure => running;
  'nova-compute':
    tag => 'nova-service';
  'neutron-dhcp-agent':
    tag => 'neutron-service';
}
