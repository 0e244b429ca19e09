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
	"syscall"

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
		return benchGateway(ctx, filepath.Join(root, "e2e", "bench", "testdata"))
	}
	fmt.Printf("%s, %d processors\n", runtime.Version(), runtime.NumCPU())
	if err := benchHook(ctx, root); err != nil {
		return err
	}
	if missing := lab.Missing(); missing != "" {
		return errors.New("the gateway is left out, this machine lacks " + missing)
	}
	if err := lab.UsePrograms(filepath.Join(root, "bin")); err != nil {
		return err
	}
	return lab.Enter(ctx, nil)
}
