// Package configfile reads configuration files of other programs.
package configfile

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxSize is what such a file may have. Nova's sample, with every option and its comment,
// has 250 KiB.
const maxSize = 1 << 20

// Read reads a file in a directory that may be another user's, who can put a FIFO there, or
// a file without end.
func Read(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s is larger than %d KiB, so it is no configuration file", path, maxSize>>10)
	}
	return string(text), err
}
