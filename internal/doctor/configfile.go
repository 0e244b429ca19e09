package doctor

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxConfigFile is what a configuration file of another program's may have. Nova's
// sample, with every option and its comment, has 250 KiB.
const maxConfigFile = 1 << 20

// readConfigFile reads a file in a directory that may be another user's, who can put
// a FIFO there, or a file without end.
func readConfigFile(path string) (string, error) {
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
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err == nil && len(text) > maxConfigFile {
		err = fmt.Errorf("%s is larger than %d KiB, so it is no configuration file", path, maxConfigFile>>10)
	}
	return string(text), err
}
