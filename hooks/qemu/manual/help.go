// Package manual is what qemu-hook says of itself: its --help, and the manual page
// qemu-hook(8), which has the same text and more. It is constants alone: what the
// program does not print is not in it.
package manual

// Usage is how the program is called.
const Usage = `usage: qemu-hook DOMAIN OPERATION SUB-OPERATION EXTRA <domain.xml
       qemu-hook --help | --version
`

// Help is what --help prints.
const Help = Usage + `
qemu-hook is ` + description + `
` + operations + `
Whatever goes wrong the guest goes on as it is, and the log says why:

  journalctl -t virt-netboot

Exit status:
` + statuses + `
Files: /etc/virt-netboot/config.yaml, the rules; man qemu-hook has more

To see what the rules do to a document:

  virt-netboot rewrite --diff domain.xml
`

const description = `virt-netboot's hook for libvirt's QEMU driver. libvirt runs it as
/etc/libvirt/hooks/qemu; nobody else needs to.
`

const operations = `  migrate, restore  prints the domain's document with the rules applied, or
                    nothing when nothing changes; libvirt takes what it prints
  prepare           logs what is not as the rules want it, since libvirt ignores
                    what it prints; with "unprepared: deny" refuses the start
  any other         nothing
`

const statuses = `  0  the guest goes on
  1  the rules refuse the start
  2  a wrong usage
`
