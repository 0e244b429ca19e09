// Command qemu-hook is virt-netboot's hook for libvirt.
package main

import (
	"os"

	"github.com/virt-netboot/virt-netboot/hooks/qemu"
)

func main() { os.Exit(qemu.Main(os.Args[1:])) }
