// Package capability asks whether this process has the Linux capabilities
// (capabilities(7)) that a command needs.
package capability

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Need is a capability and what it is for.
type Need struct {
	Bit uint // unix.CAP_NET_RAW
	For string
}

// name is a capability as setcap(8) takes it, in capitals.
func name(bit uint) string {
	switch bit {
	case unix.CAP_NET_ADMIN:
		return "CAP_NET_ADMIN"
	case unix.CAP_NET_RAW:
		return "CAP_NET_RAW"
	}
	return fmt.Sprintf("capability %d", bit)
}

// Require returns an error with the capabilities that the command needs and this
// process lacks.
func Require(command string, needs ...Need) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("asking for this process's capabilities: %w", err)
	}
	var lacks, all []string
	for _, need := range needs {
		all = append(all, strings.ToLower(name(need.Bit)))
		if data[0].Effective&(1<<need.Bit) == 0 {
			lacks = append(lacks, fmt.Sprintf("%s (%s)", name(need.Bit), need.For))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("the %s lacks %s: run it as root, or give the program what it needs with setcap %s=ep",
		command, strings.Join(lacks, " and "), strings.Join(all, ","))
}
