# @summary Instances of a compute node try the network before their disk
#
# Installs virt-netboot on a node, configures it, and puts it in front of libvirt.
# The package must be in a repository that the node knows.
#
# @example Every instance, with no change to Nova
#   include virt_netboot
#
# @example The instances of some projects, through the gateway's own socket
#   class { 'virt_netboot':
#     mode   => 'explicit',
#     config => {
#       'rules' => [{ 'name' => 'lab tenants', 'match' => { 'project' => ['lab-*'] } }],
#     },
#   }
#
# @param ensure
#   absent takes back all that this class has done.
# @param package_ensure
#   installed, the version of the package, or latest. What takes the package away is
#   ensure.
# @param config
#   The content of /etc/virt-netboot/config.yaml. Without it the file stays as the
#   package has it, or as it was edited, but for its mode, which virt-netboot enable
#   sets. With mode observe nothing is changed, and libvirt keeps its usual socket.
# @param mode
#   transparent: the gateway takes libvirt's usual socket, so that no client needs a
#   change. explicit: libvirt keeps it, and clients name the gateway's.
# @param manage_nova
#   With explicit: whether libvirt/connection_uri in nova.conf names the gateway. It
#   takes puppet-nova; false is for a node without Nova.
# @param revert_domains
#   With absent: whether the domains get back what was taken from them.
class virt_netboot (
  Enum['present', 'absent'] $ensure = 'present',
  Pattern[/\A(?!(absent|purged)\z)./] $package_ensure = 'installed',
  Optional[Hash[String[1], Data]] $config = undef,
  Enum['transparent', 'explicit'] $mode = 'transparent',
  Boolean $manage_nova = true,
  Boolean $revert_domains = false,
) {
  contain "virt_netboot::${ensure}"
}
