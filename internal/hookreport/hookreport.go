// Package hookreport reports to the agent what the hook did at a call. The agent counts
// calls, since the hook's process is gone after a millisecond.
package hookreport

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Socket is where the agent receives reports, one a datagram.
const Socket = "/run/virt-netboot/hook.sock"

// MaxSize is more bytes than a report has.
const MaxSize = 512

// Result is the result of a call.
type Result string

// The results.
const (
	Unchanged  Result = "unchanged"  // there was nothing to change
	Rewritten  Result = "rewritten"  // libvirt got another document
	Unprepared Result = "unprepared" // it starts although it is not in sync
	Denied     Result = "denied"     // it may not start, since it is not in sync
	Observed   Result = "observed"   // mode: enforce would have rewritten or denied it
	Passed     Result = "passed"     // the document went on unchanged, after an error
)

// Results are all results.
func Results() []Result {
	return []Result{Unchanged, Rewritten, Unprepared, Denied, Observed, Passed}
}

// Operations are libvirt's operations that the hook handles and reports.
func Operations() []string { return []string{"prepare", "migrate", "restore"} }

// Report is one call of the hook.
type Report struct {
	Operation string // libvirt's, such as prepare
	Result    Result
	Domain    string // its name
}

// Send sends a report to the agent. It never waits. An agent that does not run, or is
// behind, misses the report, and nothing else depends on it.
func (r Report) Send(socket string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, []byte(r.Operation+" "+string(r.Result)+" "+r.Domain), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: socket})
}

// Parse reads a datagram.
func Parse(b []byte) (Report, error) {
	operation, rest, _ := strings.Cut(string(b), " ")
	result, domain, _ := strings.Cut(rest, " ")
	r := Report{operation, Result(result), domain}
	if !slices.Contains(Operations(), operation) {
		return Report{}, fmt.Errorf("%q is not the report of an operation that the hook handles", b)
	}
	if slices.Contains(Results(), r.Result) {
		return r, nil
	}
	return Report{}, fmt.Errorf("%q is not a report of the hook's", b)
}
