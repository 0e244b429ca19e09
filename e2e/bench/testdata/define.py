"""Defines domains, bypassing the gateway, with libvirt's own client.

usage: define.py SOCKET DOMAIN.xml FROM TO
"""

import sys
import uuid

import libvirt

socket, document, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
conn = libvirt.open("qemu+unix:///system?socket=" + socket)
with open(document, encoding="utf-8") as f:
    template = f.read()
for number in range(first, last):
    conn.defineXML(
        template.replace("instance-000000be", f"instance-{number:08x}")
        .replace("6f2c1d80-6b0e-4d4a-9a53-1f0b5f0c00be", str(uuid.UUID(int=(0xBE << 96) + number)))
        .replace("fa:16:3e:50:43:cd", "fa:16:3e:%02x:%02x:%02x" % (number >> 16, number >> 8 & 255, number & 255))
    )
