package qemu

// usage is how the program is called.
const usage = `usage: qemu-hook DOMAIN OPERATION SUB-OPERATION EXTRA <domain.xml
       qemu-hook --help | --version
`

// help is what --help prints; qemu-hook(8) says more.
const help = usage + `
qemu-hook is virt-netboot's hook for libvirt's QEMU driver. libvirt runs it; an
operator does not need to.

  migrate, restore  prints the domain's document with the rules applied, or
                    nothing when nothing changes; libvirt takes what it prints
  prepare           logs what is not as the rules want it, since libvirt ignores
                    what it prints; with "unprepared: deny" refuses the start
  any other         nothing

Whatever goes wrong the guest goes on as it is, and the log says why:

  journalctl -t virt-netboot

Exit status:
  0  the guest goes on
  1  the rules refuse the start
  2  a wrong usage

Files: /etc/virt-netboot/config.yaml, the rules; man qemu-hook has more

To see what the rules do to a document:

  virt-netboot rewrite --diff domain.xml
`
