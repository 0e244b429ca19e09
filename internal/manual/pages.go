// Package manual makes the manual pages from what says the same elsewhere: the
// commands' --help, the comments of the packaged configuration, and the hook's own
// text. Nothing of it is written twice.
package manual

import (
	"fmt"

	"github.com/spf13/cobra"

	hook "github.com/virt-netboot/virt-netboot/hooks/qemu/manual"
	"github.com/virt-netboot/virt-netboot/packaging"
)

// Pages are all manual pages; root is the program virt-netboot.
func Pages(root *cobra.Command) ([]Page, error) {
	config, err := configPage(packaging.Config)
	if err != nil {
		return nil, fmt.Errorf("making virt-netboot.yaml(5): %w", err)
	}
	return []Page{
		commandsPage(root, 8, programText),
		config,
		{Name: "qemu-hook", Section: 8, Summary: hook.Summary, blocks: parseText(hook.Page)},
	}, nil
}

func configPage(config string) (Page, error) {
	keys, err := parseKeys(config)
	if err != nil {
		return Page{}, err
	}
	page := Page{Name: "virt-netboot.yaml", Section: 5, Summary: "which domains try the network before their disk, and how"}
	page.blocks = append(parseText(configText), block{list: keyList(keys)})
	page.blocks = append(page.blocks, parseText(configRest)...)
	return page, nil
}

// programText is what virt-netboot(8) has besides the commands.
const programText = `ENVIRONMENT

  NO_COLOR       if it is not empty, --color auto colours nothing
  TERM           dumb: the same
  NOTIFY_SOCKET  where the agent tells the service manager how it is, sd_notify(3)
  LISTEN_FDS     the sockets that systemd has made for the agent, sd_listen_fds(3)

FILES

  /etc/virt-netboot/config.yaml     the rules and the rest: virt-netboot.yaml(5)
  /run/virt-netboot/libvirt-sock    the gateway's socket
  /run/virt-netboot/control.sock    where virt-netboot status asks the agent
  /run/virt-netboot/hook.sock       where the hook tells the agent of its calls
  /usr/sbin/qemu-hook               libvirt's hook: qemu-hook(8)
  /usr/share/virt-netboot/dhcp      configuration of DHCP servers, with its README.md
  /usr/share/virt-netboot/nwfilter  the nwfilter virt-netboot-relaxed
  FILE.virt-netboot-orig            beside a file of Nova's: the stock file
  FILE.virt-netboot-off             beside it: revert --files, until apply --files

SEE ALSO

virt-netboot.yaml(5), qemu-hook(8), virsh(1), journalctl(1), libvirtd(8),
virtqemud(8)
`

// configText comes before the keys in virt-netboot.yaml(5), configRest after them.
const (
	configText = `SYNOPSIS

  /etc/virt-netboot/config.yaml

DESCRIPTION

This file says which of a node's domains virt-netboot(8) touches and what becomes
of them. The agent, the hook and the commands read it. Without it, and for every
key that it omits, the defaults apply, so that it needs no more than what differs.

It is YAML in UTF-8, of one document. Its mistakes, such as a key that is not
known or a value of the wrong kind, are refused with their place: the agent goes
on with what it read before, and does not start with them; the hook lets the
guest go on as it is. To see them:

  virt-netboot check --config config.yaml

The agent reads a changed file at once, and says in its log what waits for its
next start. To see what a change would do to the domains of this node:

  virt-netboot plan --config config.yaml

A glob is a text with * for any characters, ? for one, and [a-z] for one of some.
One that begins with * or [ must be in quotes, as in "*-lab". Where globs are
wanted, one may stand for a list of one.

KEYS

With each key is its default; with those of match, which have none, an example.
`

	configRest = `FILES

  /etc/virt-netboot/config.yaml  the file, as installed with every default

EXAMPLES

The domains of the projects whose names begin with lab- try the network first,
and have a filter of the operator's; others are left alone:

  rules:
    - name: lab
      match:
        project: [lab-*]
      filterref: replace:no-mac-spoofing

Instances of flavors with an extra spec, and those only until their disk has
something to boot:

  rules:
    - name: opt-in
      match:
        extra_specs: {"netboot:enabled": "true"}
      only_if: blank-disk

First see what would be changed:

  mode: observe

SEE ALSO

virt-netboot(8), qemu-hook(8)
`
)
