package journal

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/internal/printable"
)

// native is the entry in the journal's own protocol
// (systemd's docs/JOURNAL_NATIVE_PROTOCOL.md): a field a line, NAME=value, or
// for a value with line ends NAME, its length as 64 bits little-endian, value.
func native(identifier string, e *logrus.Entry) []byte {
	b := field(nil, "MESSAGE", message(e))
	b = field(b, "PRIORITY", strconv.Itoa(priority(e.Level)))
	b = field(b, "SYSLOG_IDENTIFIER", identifier)
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		b = field(b, fieldName(key), fmt.Sprint(e.Data[key]))
	}
	return b
}

func field(b []byte, name, value string) []byte {
	b = append(b, name...)
	if strings.Contains(value, "\n") {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	} else {
		b = append(b, '=')
	}
	b = append(b, value...)
	return append(b, '\n')
}

// fieldName makes a key one that the journal accepts: capitals, digits
// and underscores, no underscore or digit first, at most 64 bytes
// (journal_field_valid in systemd's src/libsystemd/sd-journal/journal-file.c).
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return '_'
	}, key)
	if name == "" || name[0] == '_' || name[0] <= '9' {
		name = "X" + name
	}
	return name[:min(len(name), 64)]
}

// message is the entry's message with its error, since journalctl shows only MESSAGE
// and syslog has nothing else. It is escaped, since journalctl shows "blob data" where a
// message is not printable.
func message(e *logrus.Entry) string {
	text := e.Message
	if err, ok := e.Data[logrus.ErrorKey]; ok {
		text = fmt.Sprintf("%s: %v", e.Message, err)
	}
	return printable.Lines(text)
}

// priority is the level as syslog(3) numbers it.
func priority(l logrus.Level) int {
	switch l {
	case logrus.PanicLevel, logrus.FatalLevel:
		return 2
	case logrus.ErrorLevel:
		return 3
	case logrus.WarnLevel:
		return 4
	case logrus.InfoLevel:
		return 6
	}
	return 7
}
