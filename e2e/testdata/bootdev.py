"""Sets a domain's boot device as VirtualBMC does (set_boot_device of its vbmc.py).

Usage: bootdev.py URI DOMAIN hd|network|cdrom
"""

import sys
import xml.etree.ElementTree as ET

import libvirt

uri, name, device = sys.argv[1:]
conn = libvirt.open(uri)
tree = ET.fromstring(conn.lookupByName(name).XMLDesc())
for element in tree.findall('devices/*'):
    for boot in element.findall('boot'):
        element.remove(boot)
for os in tree.findall('os'):
    for boot in os.findall('boot'):
        os.remove(boot)
    ET.SubElement(os, 'boot').set('dev', device)
conn.defineXML(ET.tostring(tree, encoding='unicode'))
