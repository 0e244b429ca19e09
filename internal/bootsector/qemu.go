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
)

// firstExtraFile is the descriptor of the first of exec.Cmd's ExtraFiles.
const firstExtraFile = 3

// image is what qemu-img info says of an image (ImageInfo in QEMU's
// qapi/block-core.json).
type image struct {
	Backing       string `json:"backing-filename"`
	BackingFormat string `json:"backing-filename-format"`
	Specific      struct {
		Data struct {
			DataFile string `json:"data-file"`
		} `json:"data"`
	} `json:"format-specific"`
}

// inspect reads the header of a qcow2 file, and no file that backs it.
func (c *chain) inspect(ctx context.Context, l layer) (info image, err error) {
	out, err := run(ctx, c.credential(), []*os.File{l.file}, "info", "-U", "-f", qcow2, "--output=json", descriptor(firstExtraFile))
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
func (c *chain) copyHead(ctx context.Context, n int) ([]byte, error) {
	fd, err := unix.MemfdCreate("boot sectors", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "boot sectors")
	defer memory.Close()
	name, err := c.name(firstExtraFile + 1)
	if err != nil {
		return nil, err
	}
	_, err = run(ctx, c.credential(), append([]*os.File{memory}, c.files()...), "dd", "-U", "-O", raw,
		"bs="+strconv.Itoa(n), "count=1", "if="+name, "of="+descriptor(firstExtraFile))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(memory, 0, int64(n)))
}

// run runs qemu-img as a user, with files from firstExtraFile on, until it ends or the
// context does. A process that cannot be killed, because the kernel waits for a server
// that is gone, is left behind.
func run(ctx context.Context, as *syscall.Credential, files []*os.File, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "qemu-img", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = []string{"LC_ALL=C"}
	cmd.WaitDelay = 100 * time.Millisecond
	cmd.ExtraFiles = files
	err := cmd.Run()
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
