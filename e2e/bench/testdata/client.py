"""Times libvirt calls over several sockets in turns, with libvirt's own client.

usage: client.py POOL DOMAIN.xml NAME=SOCKET ...
prints a JSON object: {"getLibVersion": {NAME: [seconds of a round, ...]}, ...}
"""

import json
import sys
import time

import libvirt

MIB = 1 << 20
SMALL_CALLS, SMALL_ROUNDS = 2000, 15
DEFINES, DEFINE_ROUNDS = 20, 15
UPLOAD, UPLOAD_ROUNDS = 256 * MIB, 5
ZEROS = bytes(MIB)


def small(conn, _):
    for _ in range(SMALL_CALLS):
        conn.getLibVersion()


def define(conn, job):
    for _ in range(DEFINES):
        conn.defineXML(job["domain"])


def upload(conn, job):
    left = [UPLOAD]

    def more(_stream, size, _opaque):
        size = min(size, left[0])
        left[0] -= size
        return ZEROS[:size]

    volume = conn.storageVolLookupByPath(job["volume"])
    stream = conn.newStream()
    volume.upload(stream, 0, UPLOAD)
    stream.sendAll(more, None)
    stream.finish()


def rounds(n, call, conns, job):
    took = {name: [] for name in conns}
    for number in range(n + 1):
        for name, conn in conns.items():
            start = time.perf_counter()
            call(conn, job)
            if number > 0:  # the first is for warming up
                took[name].append(time.perf_counter() - start)
    return took


def main():
    pool, document = sys.argv[1:3]
    conns = {}
    for arg in sys.argv[3:]:
        name, socket = arg.split("=", 1)
        conns[name] = libvirt.open("qemu+unix:///system?socket=" + socket)
    with open(document, encoding="utf-8") as f:
        job = {"domain": f.read(), "volume": pool + "/bench"}
    direct = next(iter(conns.values()))
    made = direct.storagePoolCreateXML(
        f"<pool type='dir'><name>bench</name><target><path>{pool}</path></target></pool>"
    )
    made.createXML(f"<volume><name>bench</name><capacity>{UPLOAD}</capacity><target><format type='raw'/></target></volume>")
    took = {
        "getLibVersion": rounds(SMALL_ROUNDS, small, conns, job),
        "defineXML": rounds(DEFINE_ROUNDS, define, conns, job),
        "volume upload": rounds(UPLOAD_ROUNDS, upload, conns, job),
    }
    direct.defineXML(job["domain"]).undefine()
    made.destroy()
    json.dump(took, sys.stdout)


main()
