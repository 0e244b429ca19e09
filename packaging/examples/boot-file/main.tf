# An instance that boots a script of the tenant's, which OpenStack's own DHCP names.

variable "network_id" {
  type = string
}

variable "script" {
  type    = string
  default = "http://10.20.0.77/boot.ipxe"
}

# The server that has the script.
variable "server" {
  type    = string
  default = "10.20.0.77"
}

resource "openstack_networking_port_v2" "boot" {
  name       = "boot"
  network_id = var.network_id

  extra_dhcp_option {
    name  = "bootfile-name"
    value = var.script
  }

  extra_dhcp_option {
    name  = "server-ip-address"
    value = var.server
  }
}

resource "openstack_compute_instance_v2" "instance" {
  name        = "instance"
  image_name  = "disk"
  flavor_name = "small"

  network {
    port = openstack_networking_port_v2.boot.id
  }
}
