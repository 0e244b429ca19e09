package journal

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

func entry(level logrus.Level, message string, fields logrus.Fields) *logrus.Entry {
	return &logrus.Entry{
		Level: level, Message: message, Data: fields,
		Time: time.Date(2025, 3, 7, 14, 5, 9, 0, time.Local),
	}
}

func TestNative(t *testing.T) {
	for _, c := range []struct {
		name  string
		entry *logrus.Entry
		want  string
	}{
		{
			"fields in order",
			entry(logrus.WarnLevel, "boots a kernel", logrus.Fields{"UUID": "7e1b", "DOMAIN": "vm"}),
			"MESSAGE=boots a kernel\nPRIORITY=4\nSYSLOG_IDENTIFIER=id\nDOMAIN=vm\nUUID=7e1b\n",
		},
		{
			"line ends have the binary form",
			entry(logrus.InfoLevel, "two\nlines", nil),
			"MESSAGE\n\x09\x00\x00\x00\x00\x00\x00\x00two\nlines\nPRIORITY=6\nSYSLOG_IDENTIFIER=id\n",
		},
		{
			"what journalctl would not show",
			entry(logrus.WarnLevel, "kernel \x1b[2J\u009b", nil),
			"MESSAGE=kernel \\x1b[2J\\u009b\nPRIORITY=4\nSYSLOG_IDENTIFIER=id\n",
		},
		{
			"an error is in the message too",
			entry(logrus.ErrorLevel, "reading x", logrus.Fields{"error": errors.New("no such file"), "n": 3}),
			"MESSAGE=reading x: no such file\nPRIORITY=3\nSYSLOG_IDENTIFIER=id\nERROR=no such file\nN=3\n",
		},
		{
			"names that the journal would drop",
			entry(logrus.DebugLevel, "m", logrus.Fields{"_pid": 1, "9p": 2, "a-b": 3, "": 4}),
			"MESSAGE=m\nPRIORITY=7\nSYSLOG_IDENTIFIER=id\nX=4\nX9P=2\nX_PID=1\nA_B=3\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, string(native("id", c.entry))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPriority(t *testing.T) {
	want := map[logrus.Level]int{
		logrus.PanicLevel: 2, logrus.FatalLevel: 2, logrus.ErrorLevel: 3, logrus.WarnLevel: 4,
		logrus.InfoLevel: 6, logrus.DebugLevel: 7, logrus.TraceLevel: 7,
	}
	got := map[logrus.Level]int{}
	for _, l := range logrus.AllLevels {
		got[l] = priority(l)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
