"""Defines and starts an instance with Nova's own driver code: NAME UUID DISK."""
import nova.monkey_patch  # Nova's services do so first of all
import sys

from nova import config, objects
from nova.virt.libvirt import config as vconfig, guest, host

objects.register_all()
config.parse_args(["nova"])
conf = config.CONF
conf.set_override("virt_type", "qemu", "libvirt")

name, uuid, disk = sys.argv[1:]
xml = vconfig.LibvirtConfigGuest()
xml.virt_type = "qemu"
xml.name, xml.uuid, xml.memory, xml.vcpus = name, uuid, 64 * 1024, 1
xml.os_type, xml.os_boot_dev = "hvm", ["hd"]
d = vconfig.LibvirtConfigGuestDisk()
d.driver_name, d.driver_format, d.source_type, d.source_path = "qemu", "raw", "file", disk
d.target_dev, d.target_bus = "vda", "virtio"
xml.add_device(d)
i = vconfig.LibvirtConfigGuestInterface()
i.net_type, i.source_dev, i.mac_addr, i.model, i.filtername = "bridge", "br-tenant", "fa:16:3e:00:00:01", "virtio", "nova-base"
xml.add_device(i)

libvirt_host = host.Host(conf.libvirt.connection_uri or "qemu:///system")
libvirt_host.initialize()
instance = guest.Guest.create(xml.to_xml(), libvirt_host)
instance.launch()
assert instance.is_active(), "Nova does not see its instance run"
