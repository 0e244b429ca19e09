package doctor

import (
	"context"
	"errors"
	"io/fs"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// checkConfig tells the mistakes in the configuration.
func checkConfig(_ context.Context, n *node) []Result {
	var mistakes config.Errors
	switch err := n.configErr; {
	case errors.As(err, &mistakes):
		then := "systemctl reload virt-netboot"
		if errors.Is(n.agentErr, status.ErrNotRunning) {
			then = startAgent
		}
		return one(failure("fix "+n.ConfigPath+", then "+then, "%s", mistakes.Detail()))
	case errors.Is(err, fs.ErrPermission):
		return one(unknown(err))
	case err != nil:
		return one(failure("fix "+n.ConfigPath, "%v", err))
	case !n.exists(n.ConfigPath):
		return one(warning(Enable+", when you have seen enough", "%s is not there, so nothing is changed", n.ConfigPath))
	case n.config.Mode == config.ModeObserve:
		return one(warning(Enable+", when you have seen enough", "%s is valid, but in mode observe nothing is changed", n.ConfigPath))
	}
	return one(ok("%s is valid", n.ConfigPath))
}
