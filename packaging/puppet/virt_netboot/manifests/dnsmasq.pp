# @summary OpenStack's dnsmasq leaves iPXE to the tenants' DHCP servers
#
# For each node that runs one, also a network node that has nothing else of
# virt-netboot. dnsmasq reads the file when it starts. puppet-neutron restarts its
# agent, which starts dnsmasq again; nova-network's has to be killed, and
# nova-network restarted.
#
# @example Beside puppet-neutron's own class for the agent
#   class { 'neutron::agents::dhcp':
#     dnsmasq_config_file => '/etc/neutron/dnsmasq.conf',
#   }
#   class { 'virt_netboot::dnsmasq':
#     manage_setting => false,
#   }
#
# @param ensure
#   absent removes the file and the setting.
# @param service
#   Whose dnsmasq: that of Neutron's DHCP agent, or nova-network's.
# @param path
#   The file.
# @param manage_setting
#   Whether the service's configuration names the file. false where another class
#   declares DEFAULT/dnsmasq_config_file, as neutron::agents::dhcp does.
# @param firmware
#   Whether dnsmasq ignores firmware that boots from the network by itself, too. The
#   tenants' servers must then answer it.
class virt_netboot::dnsmasq (
  Enum['present', 'absent'] $ensure = 'present',
  Enum['neutron', 'nova'] $service = 'neutron',
  Pattern[/\A\//] $path = "/etc/${service}/dnsmasq.conf",
  Boolean $manage_setting = true,
  Boolean $firmware = false,
) {
  $text = file("virt_netboot/${service}-dnsmasq.conf")
  $content = $firmware ? {
    true  => regsubst($text, '^#(dhcp-)', '\1', 'G'),
    false => $text,
  }
  file { $path:
    ensure  => $ensure,
    owner   => 'root',
    group   => 'root',
    mode    => '0644',
    content => $content,
  }
  # As puppet-nova and puppet-neutron treat a file of theirs.
  Anchor<| title == "${service}::config::begin" |>
  -> File[$path]
  ~> Anchor<| title == "${service}::config::end" |>

  if $manage_setting {
    $type = $service ? {
      'neutron' => 'neutron_dhcp_agent_config',
      'nova'    => 'nova_config',
    }
    create_resources($type, { 'DEFAULT/dnsmasq_config_file' => { 'ensure' => $ensure, 'value' => $path } })
  }
}
