package e2e

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// TestLibvirtdHangs stops libvirtd with SIGSTOP in the middle of a connection: a call
// still ends with its context.
func TestLibvirtdHangs(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		conn := dial(t)
		text, err := os.ReadFile("/run/libvirtd.pid")
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Error(err)
			}
		}()
		for _, hangs := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := conn.Read(ctx, g.Name); return err },
			func(ctx context.Context) error { _, err := libvirt.Dial(ctx, lab.LibvirtSocket); return err },
		} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := hangs(ctx); !errors.Is(err, libvirt.ErrClosed) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(began); took < time.Second || took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			cancel()
		}
		select {
		case <-conn.Closed():
		default:
			t.Error("the connection with an unanswered call is still open")
		}
	})
}
