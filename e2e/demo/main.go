// Demo shows on a real libvirt what virt-netboot is for: an instance as Nova
// defines it boots from its disk, and the same instance through the gateway
// tries the network first. With --full, the tenants' networks are there too, with
// their servers, and the instance boots what its tenant serves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

func main() {
	lab.Main()
	full := flag.Bool("full", false, "with the tenants' networks and their servers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *full); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, full bool) error {
	if !lab.Inside() {
		return enter(ctx)
	}
	root, err := lab.Root()
	if err != nil {
		return err
	}
	l, err := lab.Open(ctx, lab.Options{Hook: true, Config: "rules: [{name: lab tenants}]\n"})
	if err != nil {
		return err
	}
	defer l.Close()
	s := &story{lab: l, root: root}
	tell := s.tell
	if full {
		tell = s.tellFull
	}
	if err := tell(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, l.Logs())
	}
	return nil
}

// enter runs the demo in a lab, with the programs that make build left in bin.
func enter(ctx context.Context) error {
	if missing := lab.Missing(); missing != "" {
		return errors.New("this machine lacks " + missing)
	}
	root, err := lab.Root()
	if err != nil {
		return err
	}
	if err := lab.UsePrograms(filepath.Join(root, "bin")); err != nil {
		return err
	}
	err = lab.Enter(ctx, nil, os.Args[1:]...)
	var exit *exec.ExitError
	if ctx.Err() != nil && errors.As(err, &exit) {
		return errors.New("interrupted; the lab is gone, nothing stays behind")
	}
	return err
}

// bootTime is how long the guest gets from power on to iPXE's first request,
// under emulation on a slow machine.
const bootTime = 2 * time.Minute
