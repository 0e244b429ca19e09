# @summary virt-netboot is installed, configured and in front of libvirt
# @api private
class virt_netboot::present {
  $units = ['virt-netboot.socket', 'virt-netboot', 'virt-netboot-files.path']

  package { 'virt-netboot':
    ensure => $virt_netboot::package_ensure,
  }

  if $virt_netboot::config {
    $config = $virt_netboot::config

    # The package starts the agent, which without a configuration changes every domain
    # of the node. What it changes before it has the rules, they do not put back. The
    # restart is for the keys that wait for one; the gateway has no client yet.
    exec { 'virt-netboot only observes at first':
      command  => "mkdir -p /etc/virt-netboot && echo 'mode: observe' >/etc/virt-netboot/config.yaml",
      path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      provider => shell,
      umask    => '022',
      creates  => '/usr/bin/virt-netboot',
      before   => Package['virt-netboot'],
      notify   => Service['virt-netboot'],
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

  $shell = {
    'path'     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
    'provider' => shell, # which finds no fault with a program that is yet to be installed
    'require'  => Service[$units],
  }
  $taken_over = "virt-netboot takeover status | grep -q '^enabled'"
  case $virt_netboot::mode {
    'transparent': {
      exec { 'virt-netboot takeover enable':
        unless => $taken_over,
        *      => $shell,
      }
    }
    default: {
      exec { 'virt-netboot takeover disable':
        onlyif => $taken_over,
        *      => $shell,
      }
    }
  }

  # puppet-nova then restarts Nova's services, which find the gateway there.
  if $virt_netboot::mode == 'explicit' and $virt_netboot::manage_nova {
    nova_config { 'libvirt/connection_uri':
      value   => 'qemu+unix:///system?socket=/run/virt-netboot/libvirt-sock',
      require => Exec['virt-netboot takeover disable'],
    }
  }
}
