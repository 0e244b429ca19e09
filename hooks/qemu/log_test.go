package qemu

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

const logFile = "received.log"

// listen is a command that makes the socket and writes what arrives there to
// logFile; with the argument "blocked" the socket is full and has no reader.
func listen(socket string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		path := ts.MkAbs(socket)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		ts.Check(err)
		ts.Defer(func() { conn.Close() })
		if len(args) == 1 && args[0] == "blocked" {
			ts.Check(fill(path))
			return
		}
		log, err := os.Create(ts.MkAbs(logFile))
		ts.Check(err)
		go copyDatagrams(log, conn)
	}
}

func copyDatagrams(log *os.File, conn *net.UnixConn) {
	defer log.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := log.Write(append(buf[:n:n], '\n')); err != nil {
			return
		}
	}
}

// fill sends to the socket until it takes no more.
func fill(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for err == nil {
		err = unix.Sendto(fd, []byte("full"), 0, &unix.SockaddrUnix{Name: path})
	}
	if err == unix.EAGAIN {
		return nil
	}
	return err
}

// logged REGEXP...: each matches what arrived, within half a minute.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	for _, pattern := range args {
		re := regexp.MustCompile("(?m)" + pattern)
		for deadline := time.Now().Add(30 * time.Second); !re.MatchString(ts.ReadFile(logFile)); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				ts.Fatalf("nothing in the log matches %q:\n%s", pattern, ts.ReadFile(logFile))
			}
		}
	}
}

// silent: nothing arrived.
func silent(ts *testscript.TestScript, neg bool, args []string) {
	time.Sleep(20 * time.Millisecond)
	if text := ts.ReadFile(logFile); text != "" {
		ts.Fatalf("in the log:\n%s", text)
	}
}
