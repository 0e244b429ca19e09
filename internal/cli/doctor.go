package cli

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor"
	"github.com/virt-netboot/virt-netboot/internal/printable"
	"github.com/virt-netboot/virt-netboot/internal/version"
)

func newDoctor() *cobra.Command {
	paint, asJSON := colorAuto, false
	cmd := &cobra.Command{
		Use:   "doctor [--json] [--config FILE]",
		Short: "Find what keeps instances from booting from the network",
		Long: `Examine whether everything on this node is in place for its instances to boot
from the network. For each thing that is not, say the one thing to do about it.
Nothing is changed.

  config               the configuration is valid
  hook-installed       libvirt's hooks have virt-netboot's, of the same version
  hook-found           the running libvirt has found it
  agent                the agent runs, of the same version
  libvirt              libvirt answers on its own socket
  gateway              the gateway answers, in front of that very libvirt
  polkit               its rules about libvirt ask for user and groups alone
  nova                 Nova connects to the gateway
  option-rom           QEMU finds iPXE's option ROM
  option-rom-readable  a guest's QEMU may read it
  dnsmasq              OpenStack's DHCP servers ignore iPXE, or name what
                       it boots
  nwfilter             libvirt has the nwfilters that rules name
  files                Nova's files are patched
  reconcile            the agent inspects all domains every few minutes
  boot                 what keeps running guests from the network, counted

What only root can see is a warning for others.

Exit status:
  0  all is well
  1  there are warnings
  2  there are failures, or the command line cannot be read`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	dir := runDirFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON array of the results: check, level, found, remedy")
	colorFlag(cmd, &paint, "results")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, err := filepath.Abs(source.path)
		if err != nil {
			return &failure{error: err}
		}
		d := doctorOf(path, source.load, *dir)
		results := d.Examine(cmd.Context())
		out := cmd.OutOrStdout()
		print := func() error { return write(out, formatResults(results, paint.on(out))) }
		if asJSON {
			print = func() error { return writeJSON(out, results) }
		}
		if err := print(); err != nil {
			return err
		}
		if worst := doctor.Worst(results); worst != doctor.OK {
			return diagnosis(worst)
		}
		return nil
	}
	return cmd
}

// doctorOf examines this node, with the configuration that load reads from path and the
// agent whose sockets are in dir.
func doctorOf(path string, load func() (config.Config, error), dir string) doctor.Doctor {
	return doctor.Doctor{
		Host:            doctor.LocalHost(),
		LoadConfig:      load,
		ConfigPath:      path,
		DefaultUpstream: libvirt.DefaultUpstream,
		Version:         version.Version,
		HookProgram:     hookProgram(),
		Agent: func(ctx context.Context) (status.Status, error) {
			return status.Node(ctx, dir)
		},
	}
}

// diagnosis is the worst result, which has been printed.
type diagnosis doctor.Level

func (d diagnosis) Error() string { return "the node has a " + doctor.Level(d).String() }

// formatResults has a paragraph for each result.
func formatResults(results []doctor.Result, colored bool) []byte {
	width := 0
	for _, r := range results {
		width = max(width, len(r.Check))
	}
	// Further lines, of errors in the configuration, begin below the first.
	indent := strings.Repeat(" ", len("failure  ")+width+2)
	var b bytes.Buffer
	for _, r := range results {
		level := fmt.Sprintf("%-7s", r.Level)
		if colored {
			level = levelColor(r.Level).Sprint(level)
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", level, width, r.Check, strings.ReplaceAll(printable.Lines(r.Found), "\n", "\n"+indent))
		if r.Remedy != "" {
			fmt.Fprintf(&b, "%s→ %s\n", indent, printable.Line(r.Remedy))
		}
	}
	return b.Bytes()
}

func levelColor(l doctor.Level) *color.Color {
	c := color.New(map[doctor.Level]color.Attribute{
		doctor.OK:      color.FgGreen,
		doctor.Warning: color.FgYellow,
		doctor.Failure: color.FgRed,
	}[l])
	c.EnableColor() // whatever the library thinks of standard output
	return c
}
