package bootsector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// The formats that are read.
const (
	raw   = "raw"
	qcow2 = "qcow2"
)

// maxChain is how many files a chain of backing files may have.
const maxChain = 16

// image is what qemu-img info says of an image (ImageInfo in QEMU's
// qapi/block-core.json).
type image struct {
	Backing       string `json:"backing-filename"`
	FullBacking   string `json:"full-backing-filename"`
	BackingFormat string `json:"backing-filename-format"`
}

// checkChain inspects a disk and the files that back it, one after the other, so that
// QEMU opens no file of another machine and none whose format it would have to guess.
func checkChain(ctx context.Context, disk domainxml.DiskSource) error {
	for range maxChain {
		if !strings.HasPrefix(disk.Path, "/") {
			return fmt.Errorf("%q is not a file of this machine", disk.Path)
		}
		if err := checkFile(disk.Path); err != nil {
			return err
		}
		switch disk.Format {
		case raw:
			return nil
		case qcow2:
		default:
			return fmt.Errorf("format %s is neither raw nor qcow2", disk.Format)
		}
		info, err := inspect(ctx, disk.Path)
		switch {
		case err != nil:
			return err
		case info.Backing == "":
			return nil
		case info.BackingFormat == "":
			return fmt.Errorf("its backing file %s has no format in the header (qemu-img rebase -u -F sets it)", info.Backing)
		}
		disk = domainxml.DiskSource{Path: info.FullBacking, Format: info.BackingFormat}
		if disk.Path == "" {
			disk.Path = info.Backing
		}
	}
	return fmt.Errorf("more than %d files back one another", maxChain)
}

// inspect reads the header of a qcow2 file, and no file that backs it.
func inspect(ctx context.Context, path string) (info image, err error) {
	out, err := run(ctx, path, nil, "info", "-U", "-f", qcow2, "--output=json", path)
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return info, fmt.Errorf("reading what qemu-img info says: %w", err)
	}
	return info, nil
}

// copyHead has qemu-img copy the first n bytes into memory. -U reads a disk that a
// running guest has locked.
func copyHead(ctx context.Context, disk domainxml.DiskSource, n int) ([]byte, error) {
	fd, err := unix.MemfdCreate("boot sectors", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "boot sectors")
	defer memory.Close()
	const firstExtraFile = "/proc/self/fd/3" // of exec.Cmd
	_, err = run(ctx, disk.Path, memory, "dd", "-U", "-f", disk.Format, "-O", raw,
		"bs="+strconv.Itoa(n), "count=1", "if="+disk.Path, "of="+firstExtraFile)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(memory, 0, int64(n)))
}

// run runs qemu-img on the disk until it ends or the context does. A process that
// cannot be killed, because the kernel waits for a server that is gone, is left behind.
func run(ctx context.Context, disk string, extra *os.File, args ...string) ([]byte, error) {
	owner, err := ownerOf(disk)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "qemu-img", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = []string{"LC_ALL=C"}
	cmd.WaitDelay = 100 * time.Millisecond
	if extra != nil {
		cmd.ExtraFiles = []*os.File{extra}
	}
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("qemu-img is missing: install qemu-utils (Debian) or qemu-img (RHEL)")
	case err != nil && stderr.Len() > 0:
		return nil, errors.New(strings.TrimSpace(strings.TrimPrefix(stderr.String(), "qemu-img: ")))
	case err != nil:
		return nil, fmt.Errorf("qemu-img: %w", err)
	}
	return stdout.Bytes(), nil
}

// ownerOf is the user that root becomes to read a file. The file's owner may read it,
// whatever its mode and whatever rights root has kept. A malicious disk then gets
// qemu-img no further than its own QEMU. It is nil for users other than root.
func ownerOf(path string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return &syscall.Credential{Uid: s.Uid, Gid: s.Gid}, nil
}
