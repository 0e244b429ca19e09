package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Screen is what a guest shows on its screen in the VGA's text mode, where BIOS and
// iPXE write: a line for each of the 25 rows, without the spaces at their ends.
func (l *Lab) Screen(ctx context.Context, domain string) (string, error) {
	const columns, rows = 80, 25
	// Two bytes a cell, the character and its color, from 0xb8000 on.
	dump, err := l.Virsh(ctx, "qemu-monitor-command", domain, "--hmp", fmt.Sprintf("xp /%dhx 0xb8000", columns*rows))
	if err != nil {
		return "", fmt.Errorf("reading the screen of %s: %w", domain, err)
	}
	var text strings.Builder
	for line := range strings.Lines(dump) {
		_, cells, _ := strings.Cut(line, ": ")
		for _, cell := range strings.Fields(cells) {
			value, err := strconv.ParseUint(cell, 0, 16)
			if err != nil {
				return "", fmt.Errorf("reading the screen of %s: %w", domain, err)
			}
			text.WriteByte(printable(byte(value)))
		}
	}
	screen := text.String()
	var lines []string
	for ; len(screen) >= columns; screen = screen[columns:] {
		lines = append(lines, strings.TrimRight(screen[:columns], " "))
	}
	return strings.Join(lines, "\n"), nil
}

func printable(c byte) byte {
	if c < ' ' || c > '~' {
		return ' '
	}
	return c
}
