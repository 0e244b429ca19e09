// Bench measures what virt-netboot costs against what people would use
// otherwise, in turns within one run, and prints ratios beside their goals.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

func main() {
	lab.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := lab.Root()
	if err != nil {
		return err
	}
	if lab.Inside() {
		return measure(ctx, root)
	}
	if missing := lab.Missing(); missing != "" {
		return errors.New("this machine lacks " + missing)
	}
	if err := lab.UsePrograms(filepath.Join(root, "bin")); err != nil {
		return err
	}
	return lab.Enter(ctx, nil, os.Args[1:]...)
}

const (
	// descriptors is LimitNOFILE= of virt-netboot.service, here for libvirtd too, and for
	// systemd-socket-proxyd, which takes six for a connection.
	descriptors = 16384
	// partLimit is for a machine on which something hangs. On an idle one all
	// parts take seven minutes.
	partLimit = 15 * time.Minute
)

// measure runs the parts that the arguments name, without any all of them.
func measure(ctx context.Context, root string) error {
	limit := unix.Rlimit{Cur: descriptors, Max: descriptors}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("allowing %d descriptors: %w", descriptors, err)
	}
	l, err := lab.Open(ctx, lab.Options{LibvirtdConf: "max_clients = 5000\n"}) // as by default
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Printf("%s, %d processors\n", runtime.Version(), runtime.NumCPU())
	b := bench{lab: l, root: root, testdata: filepath.Join(root, "e2e", "bench", "testdata")}
	parts := []struct {
		name string
		run  func(context.Context) error
	}{{"hook", b.hook}, {"start", b.start}, {"gateway", b.gateway}, {"clients", b.clients}, {"reconcile", b.reconcile}}
	for _, p := range parts {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], p.name) {
			continue
		}
		if err := runPart(ctx, p.name, p.run); err != nil {
			return err
		}
	}
	return nil
}

func runPart(ctx context.Context, name string, part func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, partLimit)
	defer cancel()
	err := part(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s takes more than %v: %w", name, partLimit, err)
	}
	return err
}

// bench is what the measurements need.
type bench struct {
	lab            *lab.Lab
	root, testdata string
}
