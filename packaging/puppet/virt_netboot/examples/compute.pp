# A compute node whose lab tenants' instances try the network first, with no change
# to Nova.
class { 'virt_netboot':
  config => {
    'rules' => [{
        'name'      => 'lab tenants',
        'match'     => { 'project' => ['lab-*'] },
        'filterref' => 'replace:virt-netboot-relaxed',
    }],
  },
}
