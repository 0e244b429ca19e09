package manual

// Summary is what the program is, in half a sentence.
const Summary = "libvirt's hook that has guests try the network before their disk"

// Page is qemu-hook(8) after its name: sections whose titles are in capitals.
const Page = `SYNOPSIS

  /etc/libvirt/hooks/qemu DOMAIN OPERATION SUB-OPERATION EXTRA <domain.xml
  /etc/libvirt/hooks/qemu --help | --version

DESCRIPTION

qemu-hook is ` + description + `
libvirt's daemon looks for its hooks when it starts and when it is reloaded. It
calls this one with a domain's name, what it is doing with the domain, at which
point of that, and - or, at migrate, restore and some others, more about it; the
domain's document is on standard input. While the hook runs, the domain is
locked, and its guest waits.

qemu-hook asks neither libvirt nor the agent. It applies the rules of
virt-netboot.yaml(5) to the document by itself, as virt-netboot(8) does in its
gateway, so that it also counts for guests that come in past that.

OPERATIONS

` + operations + `
At migrate and restore it is a filter, as libvirt wants it: what it prints is the
document that the guest runs with from then on. The kernel of such a guest stays,
since it runs already.

At prepare libvirt throws away what a hook prints. A guest that is not as its
rule wants it came in by another door than the gateway, and the log says so. The
refusal of unprepared: deny is an error of the call that wanted to start the
guest, with the reason. It is about the boot order and the nwfilters, never about
a kernel: a guest that arrives by migration has to keep the one that it runs, and
libvirt does not tell the hook which one that is.

At reconnect a hook that fails has libvirt kill the running guest. There and at
every other operation qemu-hook ends with 0 before it reads anything.

With mode: observe nothing is printed or refused, only logged.

WHEN SOMETHING GOES WRONG

A document that cannot be read, a configuration with a mistake, a file server
that does not answer: the guest goes on as if there were no hook, with an error
in the log. After 1.5 seconds qemu-hook gives up whatever it waits for; a
journal or an agent that does not read does not hold it up.

LOGGING

It goes to systemd's journal, and to syslog(3) where there is none, as
virt-netboot:

  journalctl -t virt-netboot OPERATION=prepare

The entries have these fields where they are known:

  DOMAIN, UUID  the domain
  OPERATION     libvirt's
  RULE          the name of the rule that decided
  CHANGE        what it changes: one entry a change
  WARNING       what keeps the guest from booting from the network
  STACK         where a fault of the program's own was

The agent is told what became of each call and counts it in its metrics; without
an agent the hook does the same.

OTHER HOOKS

Where another program is /etc/libvirt/hooks/qemu, the hook is in
/etc/libvirt/hooks/qemu.d, whose programs libvirt runs after it, in the order of
their names. At migrate and restore each gets what the one before has printed.
virt-netboot doctor says whether libvirt has found the hook.

EXIT STATUS

` + statuses + `
ENVIRONMENT

None of its variables counts: libvirt's daemon gives a hook next to none.

FILES

  /etc/virt-netboot/config.yaml              the rules; without it, the defaults
  /etc/libvirt/hooks/qemu                    a link to the program
  /etc/libvirt/hooks/qemu.d/50-virt-netboot  the same, beside another hook
  /usr/sbin/qemu-hook                        the program
  /run/systemd/journal/socket, /dev/log      where the log goes
  /run/virt-netboot/hook.sock                where the agent is told

EXAMPLES

What the rules do to a document, without the hook:

  virt-netboot rewrite --diff domain.xml

What the hook does with it:

  /etc/libvirt/hooks/qemu vm migrate begin - <domain.xml

SEE ALSO

virt-netboot(8), virt-netboot.yaml(5), journalctl(1), libvirtd(8), virtqemud(8)

Hooks for specific system management, https://libvirt.org/hooks.html
`
