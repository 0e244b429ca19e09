package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/novarelease"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [--config FILE]",
		Short: "Validate the configuration",
		Long: `Validate the configuration and say in one line for each rule what it means.

Each error is shown with its line, a caret under the spot and what is allowed: a
key that is unknown or there twice, a bad glob, a wrong value or type. All
errors are shown, unless the file is not YAML.

A rule that is never reached, because one before it matches every domain, is a
warning. So is one that matches by what this machine's Nova does not write into
its domains: extra_specs and image_properties before Nova 2025.1. Where its Nova
is not known, that is a note.

Exit status:
  0  the configuration is valid
  1  the output cannot be written
  2  it is not valid, or cannot be read`,
		Example: `  virt-netboot check
  virt-netboot check --config ./config.yaml`,
		Args:                  usage(cobra.NoArgs),
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		for _, remark := range remarks(c.Rules, "/") {
			fmt.Fprintln(cmd.ErrOrStderr(), remark)
		}
		verdict := "is valid"
		if _, err := os.Stat(source.path); errors.Is(err, fs.ErrNotExist) {
			verdict = "is not there, so the defaults apply"
		}
		return write(cmd.OutOrStdout(), fmt.Appendf(nil, "%s %s\n%s", source.path, verdict, summary(c.Rules)))
	}
	return cmd
}

// summary is a line for each rule.
func summary(rules []domainxml.Rule) string {
	if len(rules) == 0 {
		return "no rule: no domain is touched\n"
	}
	var b strings.Builder
	for i, r := range rules {
		fmt.Fprintf(&b, "%d. %s: %s\n", i+1, r.Name, describeRule(r))
	}
	return b.String()
}

func describeRule(r domainxml.Rule) string {
	filterref, err := r.Filterref.MarshalText()
	if err != nil {
		filterref = []byte(err.Error())
	}
	where := "every domain"
	if c := conditions(r.Match); len(c) > 0 {
		where = strings.Join(c, " and ")
	}
	return fmt.Sprintf("%s: boot %s, filterref %s, kernel %s, ipxe_kernel %t, rng %s, unprepared %s",
		where, describeBoot(r), filterref, r.Kernel, r.IPXEKernel, r.RNG, r.Unprepared)
}

// describeBoot is a rule's boot with its boot_nic and only_if.
func describeBoot(r domainxml.Rule) string {
	boot := string(r.Boot)
	if r.BootNIC != (domainxml.BootNIC{}) {
		boot += " on " + r.BootNIC.String()
	}
	if r.OnlyIf != domainxml.OnlyIfAlways {
		boot += " if " + string(r.OnlyIf)
	}
	return boot
}

// conditions are all of a match's conditions. A match without any matches every domain.
func conditions(m domainxml.Match) []string {
	var all []string
	for _, c := range []struct {
		key   string
		globs []string
	}{
		{"name", m.Name},
		{"bridge", m.Bridge},
		{"network", m.Network},
		{"project", m.Project},
		{"user", m.User},
		{"flavor", m.Flavor},
		{"image", m.Image},
	} {
		if len(c.globs) > 0 {
			all = append(all, c.key+" "+strings.Join(c.globs, " or "))
		}
	}
	for _, c := range []struct {
		key   string
		globs map[string]string
	}{
		{"extra spec", m.ExtraSpecs},
		{"image property", m.ImageProperties},
	} {
		for _, name := range slices.Sorted(maps.Keys(c.globs)) {
			all = append(all, c.key+" "+name+"="+c.globs[name])
		}
	}
	return all
}

// remarks warn of rules that decide about no domain on a machine with that root directory,
// and note those of which that is not known.
func remarks(rules []domainxml.Rule, root string) []string {
	release := novarelease.Installed(root)
	var all []string
	for _, w := range slices.Concat(unreached(rules), novarelease.Warnings(rules, release)) {
		all = append(all, "warning: "+w)
	}
	for _, n := range novarelease.Untold(rules, release) {
		all = append(all, "note: "+n)
	}
	return all
}

// unreached warns of rules that never decide because one before them matches every
// domain.
func unreached(rules []domainxml.Rule) []string {
	i := slices.IndexFunc(rules, func(r domainxml.Rule) bool { return len(conditions(r.Match)) == 0 })
	if i < 0 {
		return nil
	}
	var warnings []string
	for _, r := range rules[i+1:] {
		warnings = append(warnings, fmt.Sprintf("rule %q is never reached: %q before it matches every domain", r.Name, rules[i].Name))
	}
	return warnings
}
