# @summary virt-netboot is installed, configured and in front of libvirt
# @api private
class virt_netboot::present {
  $units = ['virt-netboot.socket', 'virt-netboot', 'virt-netboot-files.path']

  package { 'virt-netboot':
    ensure => $virt_netboot::package_ensure,
  }

  if $virt_netboot::config {
    $config = $virt_netboot::config

    # Where the package is new, the agent has started without it, and a few of its keys
    # wait for a restart.
    exec { 'virt-netboot is new here':
      command => 'true',
      path    => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      creates => '/usr/bin/virt-netboot',
      before  => Package['virt-netboot'],
      notify  => Service['virt-netboot'],
    }

    # The agent sees a change by itself. A restart would end what clients do through
    # the gateway, such as a migration.
    file { '/etc/virt-netboot/config.yaml':
      owner        => 'root',
      group        => 'root',
      mode         => '0644',
      content      => inline_template("# Managed by Puppet.\n<%= @config.to_yaml %>"),
      validate_cmd => '/usr/bin/virt-netboot check --config %',
      require      => Package['virt-netboot'],
      before       => Service[$units],
    }
  }

  service { $units:
    ensure  => running,
    enable  => true,
    require => Package['virt-netboot'],
  }

  # Each is what makes the node so, and says with --dry-run what is left to do for that.
  $observes = $virt_netboot::config and $virt_netboot::config['mode'] == 'observe'
  $change = $observes ? {
    true    => 'virt-netboot disable',
    default => $virt_netboot::mode ? {
      'transparent' => 'virt-netboot enable --yes',
      default       => 'virt-netboot enable --yes --socket-only',
    },
  }
  exec { $change:
    path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
    provider => shell, # which finds no fault with a program that is yet to be installed
    unless   => "left=\$(${change} --dry-run) || exit 1; test -z \"\$left\"",
    require  => Service[$units],
  }

  # puppet-nova then restarts Nova's services, which find the gateway there.
  if $virt_netboot::mode == 'explicit' and $virt_netboot::manage_nova {
    nova_config { 'libvirt/connection_uri':
      value   => 'qemu+unix:///system?socket=/run/virt-netboot/libvirt-sock',
      require => Exec[$change],
    }
  }
}
