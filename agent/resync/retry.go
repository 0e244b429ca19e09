package resync

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// How long a command waits for another program that is at work on a file.
const (
	pause    = 100 * time.Millisecond // until it tries again
	quiet    = time.Second            // until it says that it waits
	patience = 10 * time.Second       // from then on, until it gives up
)

// retry calls f again while another program is at work on the file at path.
func retry(ctx context.Context, path string, say func(string), f func() error) error {
	began, said := time.Now(), false
	for {
		err := f()
		if !errors.Is(err, errBusy) {
			return err
		}
		waited := time.Since(began)
		if waited >= quiet+patience {
			return fmt.Errorf("%w, for %v now: end that program, which `fuser -v %s %s` names, and try again",
				err, quiet+patience, path, filepath.Dir(path))
		}
		if !said && waited >= quiet {
			said = true
			say(fmt.Sprintf("%s: %v; waiting for up to %v", path, err, patience))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}
