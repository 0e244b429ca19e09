"""What virt-netboot's default rule does to a domain like Nova's, with minidom."""

import sys
from xml.dom import minidom

doc = minidom.parse(sys.stdin.buffer)
os = doc.getElementsByTagName("os")[0]
boots = os.getElementsByTagName("boot")
if boots and not os.getElementsByTagName("kernel") and boots[0].getAttribute("dev") != "network":
    for boot in boots:
        if boot.getAttribute("dev") == "network":
            os.removeChild(boot)
    network = doc.createElement("boot")
    network.setAttribute("dev", "network")
    os.insertBefore(network, boots[0])
for interface in doc.getElementsByTagName("interface"):
    for ref in interface.getElementsByTagName("filterref"):
        interface.removeChild(ref)
sys.stdout.write(doc.documentElement.toxml())
