package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/internal/printable"
)

// colorMode is the value of --color. It implements pflag.Value.
type colorMode string

const (
	colorAuto   colorMode = "auto"
	colorAlways colorMode = "always"
	colorNever  colorMode = "never"
)

func (m *colorMode) String() string { return string(*m) }
func (m *colorMode) Type() string   { return "WHEN" }

func (m *colorMode) Set(s string) error {
	switch v := colorMode(s); v {
	case colorAuto, colorAlways, colorNever:
		*m = v
		return nil
	}
	return fmt.Errorf("want %s, %s or %s", colorAuto, colorAlways, colorNever)
}

// colorFlag adds --color for the output that is named.
func colorFlag(cmd *cobra.Command, m *colorMode, what string) {
	cmd.Flags().Var(m, "color", "colour the "+what+": auto, always or never; auto is a terminal without NO_COLOR")
	completeFlag(cmd, "color", cobra.FixedCompletions([]cobra.Completion{string(colorAuto), string(colorAlways), string(colorNever)}, cobra.ShellCompDirectiveNoFileComp))
}

// on reports whether what goes to w is coloured.
func (m colorMode) on(w io.Writer) bool {
	if m != colorAuto {
		return m == colorAlways
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// diff escapes and colours a unified diff where a person reads it on w. For a program
// it stays as it is.
func (m colorMode) diff(w io.Writer, unified []byte) []byte {
	if isTerminal(w) || m.on(w) {
		unified = []byte(printable.Lines(string(unified)))
	}
	if !m.on(w) {
		return unified
	}
	var b bytes.Buffer
	header := true
	for line := range bytes.Lines(unified) {
		if bytes.HasPrefix(line, []byte("@@")) {
			header = false
		}
		c := lineColor(line, header)
		if c == nil {
			b.Write(line)
			continue
		}
		c.EnableColor() // whatever the library thinks of standard output
		b.WriteString(c.Sprint(string(bytes.TrimSuffix(line, []byte("\n")))))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// lineColor is the colour that git gives to a line of a diff; nil for none.
func lineColor(line []byte, header bool) *color.Color {
	switch {
	case header:
		return color.New(color.Bold)
	case line[0] == '@':
		return color.New(color.FgCyan)
	case line[0] == '+':
		return color.New(color.FgGreen)
	case line[0] == '-':
		return color.New(color.FgRed)
	}
	return nil
}
