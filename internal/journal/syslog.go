package journal

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
)

// rfc3164 is the entry as syslog(3) of the C library sends it: RFC 3164 section
// 4.1 without the host name, on one line, its fields after the message.
func rfc3164(identifier string, e *logrus.Entry) []byte {
	const daemon = 3 << 3 // facility
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%d>%s %s[%d]: %s", daemon|priority(e.Level), e.Time.Format(time.Stamp), identifier, os.Getpid(), message(e))
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		if key != logrus.ErrorKey {
			fmt.Fprintf(&b, " %s=%q", key, fmt.Sprint(e.Data[key]))
		}
	}
	// A line end would start an entry of its own in many a syslog daemon.
	return bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte(" "))
}
