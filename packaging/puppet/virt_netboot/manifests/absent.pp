# @summary virt-netboot is gone, and what it has changed as it was
# @api private
class virt_netboot::absent {
  if $virt_netboot::revert_domains {
    exec { 'virt-netboot disable --revert':
      path   => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      onlyif => 'test -x /usr/bin/virt-netboot',
      before => Package['virt-netboot'],
    }
  }

  # Nova's services, which puppet-nova restarts, have left the gateway when it goes.
  if $virt_netboot::mode == 'explicit' and $virt_netboot::manage_nova {
    nova_config { 'libvirt/connection_uri':
      ensure => absent,
      before => Package['virt-netboot'],
    }
    Anchor<| title == 'nova::service::end' |> -> Package['virt-netboot']
  }

  # Its scripts give libvirt its socket back, and Nova its files.
  package { 'virt-netboot':
    ensure => purged,
  }

  # RPM keeps a configuration that was changed.
  file { '/etc/virt-netboot':
    ensure  => absent,
    force   => true,
    backup  => false,
    require => Package['virt-netboot'],
  }
}
