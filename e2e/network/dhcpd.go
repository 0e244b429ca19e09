package network

import (
	"context"
	"os"
	"path/filepath"
)

// StartDHCPD starts ISC dhcpd in a network namespace, with the text of its
// configuration, on eth0. It keeps its leases in a file that is there, or in one of
// its own where the path is empty.
func StartDHCPD(ctx context.Context, namespace, leases, conf string) (*Server, error) {
	dir, err := serverDir()
	if err != nil {
		return nil, err
	}
	if leases == "" {
		leases = filepath.Join(dir, "leases")
		if err := os.WriteFile(leases, nil, 0o644); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "dhcpd.conf")
	if err := os.WriteFile(config, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	return Start(ctx, namespace, dhcpdReady, "dhcpd", "-f", "-d", "-4",
		"-cf", config, "-lf", leases, "-pf", filepath.Join(dir, "pid"), "eth0")
}
