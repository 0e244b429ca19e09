package cli

import (
	"io"
	"os"
	"syscall"
	"testing"
)

func TestColorMode(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer terminal.Close()
	for _, test := range []struct {
		name          string
		mode          colorMode
		w             io.Writer
		noColor, term string
		want          bool
	}{
		{"terminal", colorAuto, terminal, "", "xterm", true},
		{"NO_COLOR", colorAuto, terminal, "1", "xterm", false},
		{"dumb terminal", colorAuto, terminal, "", "dumb", false},
		{"no terminal", colorAuto, io.Discard, "", "xterm", false},
		{"always", colorAlways, io.Discard, "1", "dumb", true},
		{"never", colorNever, terminal, "", "xterm", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", test.noColor)
			t.Setenv("TERM", test.term)
			if got := test.mode.on(test.w); got != test.want {
				t.Errorf("%s is %v", test.mode, got)
			}
		})
	}
}
