#!/usr/bin/python3
"""Clients of libvirt that keep their connections, until standard input ends.

clients.py URI CLIENTS CONSOLE: CLIENTS clients define and undefine domains, one watches
the events, one reads the console of the domain CONSOLE, and one connects again and again.
It writes "ready" when all are at work, and at the end a JSON object of what they saw.
"""

import json
import sys
import threading
import time

import libvirt

uri, clients, console = sys.argv[1], int(sys.argv[2]), sys.argv[3]
SAYS = b"kernel runs\r\n"
stop = threading.Event()
working = threading.Semaphore(0)
seen = {"calls": 0, "connects": 0, "console": 0, "longest": 0.0, "failures": []}
lock = threading.Lock()
defined, events = [], []


def call(f, *args):
    began = time.monotonic()
    try:
        return f(*args)
    except Exception as e:
        with lock:
            seen["failures"].append(f"{f.__name__}: {e}")
    finally:
        with lock:
            seen["calls"] += 1
            seen["longest"] = max(seen["longest"], time.monotonic() - began)


def open_uri():
    return libvirt.open(uri)


def worker(number):
    conn = open_uri()
    conn.setKeepAlive(1, 5)
    turn = 0
    while not stop.is_set():
        turn += 1
        name = f"client-{number}-{turn}"
        domain = call(conn.defineXML, f"""<domain type='qemu'><name>{name}</name>
<uuid>7e1b2a3c-0000-4000-{number:04}-{turn:012}</uuid><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
<devices><interface type='bridge'><mac address='52:54:00:00:00:{number:02}'/><source bridge='br-tenant'/></interface></devices></domain>""")
        if domain is None:
            return
        defined.append(name)
        xml = call(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE) or ""
        if "<boot dev='network'/>" not in xml:
            seen["failures"].append(f"{name} is not as the rules want it: {xml}")
        call(conn.getInfo)
        call(domain.undefine)
        if turn == 1:
            working.release()
    call(conn.close)


def watcher():
    conn = open_uri()

    def changed(conn, domain, event, detail, opaque):
        if event == libvirt.VIR_DOMAIN_EVENT_DEFINED and detail == libvirt.VIR_DOMAIN_EVENT_DEFINED_ADDED:
            events.append(domain.name())

    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, changed, None)
    return conn


def reader(stream):
    text = b""
    while not stop.is_set():
        more = call(stream.recv, 4096)
        if not more:
            seen["failures"].append(f"the console ends after {len(text)} bytes")
            return
        text += more
        if len(text) > 2 * len(SAYS):
            working.release()
    text = text[text.index(SAYS):]
    seen["console"] = len(text)
    if text != (SAYS * (len(text) // len(SAYS) + 1))[: len(text)]:
        seen["failures"].append(f"the console has {text!r}")


def connector():
    while not stop.is_set():
        conn = call(open_uri)
        if conn is None:
            return
        call(conn.getInfo)
        call(conn.close)
        seen["connects"] += 1


def poll_events():
    while True:
        libvirt.virEventRunDefaultImpl()


libvirt.registerErrorHandler(lambda *_: None, None)
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=poll_events, daemon=True).start()
watching = watcher()
own = open_uri()
stream = own.newStream()
own.lookupByName(console).openConsole(None, stream, 0)
threads = [threading.Thread(target=worker, args=(n,)) for n in range(clients)]
threads += [threading.Thread(target=reader, args=(stream,)), threading.Thread(target=connector)]
for t in threads:
    t.start()
for _ in range(clients + 1):
    working.acquire()
print("ready", flush=True)
sys.stdin.read()
stop.set()
for t in threads:
    t.join()
call(watching.getInfo)  # its answer comes after the events
time.sleep(1)
seen["defined"], seen["events"] = len(defined), len(events)
seen["lost"] = sorted(set(defined) - set(events))
print(json.dumps(seen), flush=True)
