package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// envPrograms names the directory with qemu-hook and virt-netboot.
const envPrograms = "VIRT_NETBOOT_BIN"

// programs is the directory with qemu-hook and virt-netboot.
func programs() string { return os.Getenv(envPrograms) }

// UsePrograms makes the labs that are entered from now on take qemu-hook and
// virt-netboot from a directory.
func UsePrograms(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return os.Setenv(envPrograms, dir)
}

// BuildPrograms builds qemu-hook as it is shipped, and virt-netboot with the race
// detector in it, into dir.
func BuildPrograms(ctx context.Context, dir string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	for _, program := range []struct {
		pkg, name, cgo string
		flags          []string
	}{
		{"./cmd/qemu-hook", "qemu-hook", "0", nil},
		{"./cmd/virt-netboot", agentName, "1", []string{"-race"}},
	} {
		args := append([]string{"build"}, program.flags...)
		cmd := exec.CommandContext(ctx, "go", append(args, "-o", filepath.Join(dir, program.name), program.pkg)...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+program.cgo)
		if _, err := run(cmd); err != nil {
			return fmt.Errorf("building %s: %w", program.name, err)
		}
	}
	return nil
}

// Root is the top of the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod in the working directory or above it")
		}
		dir = filepath.Dir(dir)
	}
}
