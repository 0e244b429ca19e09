package resync_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// patched FILE: the file comes to have the network before the disk and no
// filterref, or dnsmasq's two lines. How long that took is in the script's log.
func patched(ts *testscript.TestScript, neg bool, args []string) {
	began := time.Now()
	until(ts, func() bool { return isPatched(args[0], ts) }, func() string {
		got, _ := os.ReadFile(ts.MkAbs(args[0]))
		return fmt.Sprintf("not patched:\n%s\nlog:\n%s", got, readLog(ts))
	})
	ts.Logf("patched after %v", time.Since(began).Round(time.Millisecond))
}

// swift FILE CONTENT: of five times that the file is written, it is patched within a
// second at least once; the others show how much else the machine did.
func swift(ts *testscript.TestScript, neg bool, args []string) {
	fastest := patience
	for range 5 {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[1])), 0o644))
		began := time.Now()
		patched(ts, false, args[:1])
		fastest = min(fastest, time.Since(began))
	}
	if fastest > time.Second {
		ts.Fatalf("%s is patched after %v, want a second at most", args[0], fastest)
	}
}

func isPatched(name string, ts *testscript.TestScript) bool {
	got, err := os.ReadFile(ts.MkAbs(name))
	if err != nil {
		return false
	}
	has := func(s string) bool { return strings.Contains(string(got), s) }
	if strings.Contains(name, "dnsmasq") {
		return has("dhcp-userclass=set:ipxe,iPXE\n") && has("dhcp-ignore=tag:ipxe\n")
	}
	return has(`<boot dev="network" />`) && !has("filterref") && has("</domain>")
}

// stays FILE WANT FOR: for that long the file equals the other one.
func stays(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(duration(ts, args[2])); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got, want := ts.ReadFile(args[0]), ts.ReadFile(args[1]); got != want {
			ts.Fatalf("%s is not as %s any more:\n%s\nlog:\n%s", args[0], args[1], got, readLog(ts))
		}
	}
}

// logs REGEXP [TIMES]: the log comes to have it and not more often than
// that.
func logs(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[0])
	count := func() int { return len(re.FindAllString(readLog(ts), -1)) }
	want := 1
	if len(args) == 2 {
		var err error
		want, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	failure := func() string { return fmt.Sprintf("%d times in the log, want %d:\n%s", count(), want, readLog(ts)) }
	until(ts, func() bool { return count() >= want }, failure)
	if len(args) == 2 && count() != want {
		ts.Fatalf("%s", failure())
	}
}

// status REGEXP: the watcher's status comes to match.
func status(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile(args[0])
	read := func() string {
		b, _ := os.ReadFile(ts.MkAbs("status.json"))
		return string(b)
	}
	until(ts, func() bool { return re.MatchString(read()) }, func() string { return "status is " + read() })
}

// patience is for a machine that does a lot of other things.
const patience = 30 * time.Second

// until waits.
func until(ts *testscript.TestScript, ok func() bool, failure func() string) {
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s", failure())
		}
	}
}

// burst FILE CONTENT TIMES: truncates the file and writes it in place, in two
// parts, so many times.
func burst(ts *testscript.TestScript, neg bool, args []string) {
	content := ts.ReadFile(args[1])
	times, err := strconv.Atoi(args[2])
	ts.Check(err)
	for range times {
		f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o644)
		ts.Check(err)
		_, err = f.WriteString(content[:len(content)/2])
		ts.Check(err)
		_, err = f.WriteString(content[len(content)/2:])
		ts.Check(err)
		ts.Check(f.Close())
	}
}

// hold FILE CONTENT FOR: truncates the file, writes half, waits, writes the rest.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	content := ts.ReadFile(args[1])
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_TRUNC, 0)
	ts.Check(err)
	defer f.Close()
	_, err = f.WriteString(content[:len(content)/2])
	ts.Check(err)
	time.Sleep(duration(ts, args[2]))
	_, err = f.WriteString(content[len(content)/2:])
	ts.Check(err)
}

// flood DIRECTORY TIMES: makes and removes so many files.
func flood(ts *testscript.TestScript, neg bool, args []string) {
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i := range times {
		name := filepath.Join(ts.MkAbs(args[0]), fmt.Sprint(i))
		ts.Check(os.WriteFile(name, nil, 0o644))
		ts.Check(os.Remove(name))
	}
}

// tmpfs DIRECTORY OPTIONS: mounts a tmpfs there until the script ends.
func tmpfs(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, args[1]))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// attr FILE: owner, group, mode and extended attributes, on standard output.
func attr(ts *testscript.TestScript, neg bool, args []string) {
	name := ts.MkAbs(args[0])
	info, err := os.Stat(name)
	ts.Check(err)
	s := info.Sys().(*syscall.Stat_t)
	fmt.Fprintf(ts.Stdout(), "%d:%d %v\n", s.Uid, s.Gid, info.Mode())
	buf := make([]byte, 4096)
	n, err := unix.Listxattr(name, buf)
	ts.Check(err)
	for _, attr := range strings.FieldsFunc(string(buf[:n]), func(r rune) bool { return r == 0 }) {
		value := make([]byte, 4096)
		size, err := unix.Getxattr(name, attr, value)
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s=%x\n", attr, value[:size])
	}
}

// signalAll SIGNAL: sends it to all programs in the background.
func signalAll(ts *testscript.TestScript, neg bool, args []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(unix.SignalNum(args[0])))
	}
}

func readLog(ts *testscript.TestScript) string {
	b, _ := os.ReadFile(ts.MkAbs("log"))
	return string(b)
}

func duration(ts *testscript.TestScript, s string) time.Duration {
	d, err := time.ParseDuration(s)
	ts.Check(err)
	return d
}
