# The tenant's DHCP, TFTP and web server, and an instance that boots from it. Both ports
# are open.

variable "network_id" {
  type = string
}

resource "openstack_networking_port_v2" "server" {
  name                  = "server"
  network_id            = var.network_id
  no_security_groups    = true
  port_security_enabled = false
}

resource "openstack_compute_instance_v2" "server" {
  name        = "server"
  image_name  = "debian-12-genericcloud"
  flavor_name = "small"
  user_data   = file("${path.module}/cloud-config.yaml")

  network {
    port = openstack_networking_port_v2.server.id
  }
}

resource "openstack_networking_port_v2" "boot" {
  name                  = "boot"
  network_id            = var.network_id
  no_security_groups    = true
  port_security_enabled = false

  # Where OVN answers DHCP:
  # extra_dhcp_option {
  #   name  = "dhcp_disabled"
  #   value = "true"
  # }
}

resource "openstack_compute_instance_v2" "instance" {
  name        = "instance"
  image_name  = "disk"
  flavor_name = "small"
  depends_on  = [openstack_compute_instance_v2.server]

  network {
    port = openstack_networking_port_v2.boot.id
  }
}
