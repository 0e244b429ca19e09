package probe

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// checkCapabilities returns an error with the capabilities that the probe needs and
// this process lacks.
func checkCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("asking for this process's capabilities: %w", err)
	}
	var lacks []string
	for _, need := range []struct {
		name string
		bit  uint
	}{
		{"CAP_NET_ADMIN (to put a port into the bridge)", unix.CAP_NET_ADMIN},
		{"CAP_NET_RAW (to send and hear from it)", unix.CAP_NET_RAW},
	} {
		if data[0].Effective&(1<<need.bit) == 0 {
			lacks = append(lacks, need.name)
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("the probe lacks %s: run it as root, or let it have both with setcap cap_net_admin,cap_net_raw=ep on the program",
			strings.Join(lacks, " and "))
	}
	return nil
}
