package lab

import (
	"context"
	"path/filepath"
)

// VirtNetboot runs virt-netboot and returns what it wrote to its standard output.
func (l *Lab) VirtNetboot(ctx context.Context, args ...string) (string, error) {
	return l.Command(ctx, filepath.Join(programs(), agentName), args...)
}
