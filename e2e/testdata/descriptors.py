"""Pass a descriptor to libvirtd and get one from it; both lead to QEMU's VNC.

Usage: descriptors.py URI DOMAIN
"""

import socket
import sys

import libvirt

BANNER = b"RFB 003.008\n"  # RFC 6143, section 7.1.1


def banner(sock):
    sock.settimeout(20)
    got = b""
    while len(got) < len(BANNER):
        more = sock.recv(len(BANNER) - len(got))
        if not more:
            break
        got += more
    return got


uri, name = sys.argv[1:]
domain = libvirt.open(uri).lookupByName(name)

ours, theirs = socket.socketpair()
domain.openGraphics(0, theirs.fileno(), 0)
theirs.close()
print("openGraphics", banner(ours) == BANNER)

fd = domain.openGraphicsFD(0, 0)
print("openGraphicsFD", banner(socket.socket(fileno=fd)) == BANNER)
