// Command virt-netboot is the node agent and the command line of virt-netboot.
package main

import (
	"os"

	"github.com/virt-netboot/virt-netboot/internal/cli"
)

func main() { os.Exit(cli.Main()) }
