package cli

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/virt-netboot/virt-netboot/agent/status"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/hook"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
)

// manPage is the Markdown of a manual page.
func manPage(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../packaging/man", name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sections are the parts of a page below the headings of a level, by heading.
func sections(page, mark string) map[string]string {
	parts := map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^`+mark+` `).Split(page, -1)[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n"+mark[1:]+" ") // of the level above
		parts[heading] = text
	}
	return parts
}

// terms are what a text's definition lists define, with what they say of it.
func terms(text string) map[string]string {
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S.*)\n: ((?:.+\n)+)`).FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2]
	}
	return all
}

// TestManCommands: virt-netboot(8) has every command and every flag of it, with its
// default, and no other.
func TestManCommands(t *testing.T) {
	page := manPage(t, "virt-netboot.8")
	described := sections(page, "###")
	var usages []string
	flags := map[string]bool{"--help": true, "--version": true}
	for _, cmd := range commands(newRoot()) {
		usage := strings.TrimPrefix(cmd.UseLine(), "virt-netboot ")
		usages = append(usages, usage)
		found := terms(described[usage])
		maps.DeleteFunc(found, func(term, _ string) bool { return !strings.HasPrefix(term, "**-") })
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			flags["--"+f.Name] = true
			said, ok := found[flagTerm(f)]
			delete(found, flagTerm(f))
			switch d := f.DefValue; {
			case !ok:
				t.Errorf("%s: %s is not there", usage, flagTerm(f))
			case !slices.Contains([]string{"", "0", "false", "[]"}, d) && !strings.Contains(said, strings.TrimSuffix(d, "0s")):
				t.Errorf("%s: the default of %s is %s, and that is not said in %q", usage, flagTerm(f), d, said)
			}
		})
		for term := range found {
			t.Errorf("%s: there is no flag %s", usage, term)
		}
	}
	slices.Sort(usages)
	if diff := cmp.Diff(usages, slices.Sorted(maps.Keys(described))); diff != "" {
		t.Errorf("commands: -the program's +the page's:\n%s", diff)
	}
	for _, flag := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(withoutFences(page), -1) {
		if !flags[flag] {
			t.Errorf("no command has %s", flag)
		}
	}
}

// commands are the commands that a user calls, without those that only group others.
func commands(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range parent.Commands() {
		switch {
		case cmd.HasAvailableSubCommands():
			all = append(all, commands(cmd)...)
		case cmd.IsAvailableCommand():
			all = append(all, cmd)
		}
	}
	return all
}

// flagTerm is a flag as the page's lists have it.
func flagTerm(f *pflag.Flag) string {
	term := "**--" + f.Name + "**"
	if f.Shorthand != "" {
		term = "**-" + f.Shorthand + "**, " + term
	}
	if value, _ := pflag.UnquoteUsage(f); value != "" {
		term += " *" + strings.ToUpper(value) + "*"
	}
	return term
}

// withoutFences is a page without its examples, which TestDocs looks at.
func withoutFences(page string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(page, "")
}

// TestManFiles: the files of virt-netboot(8) are where the program has them.
func TestManFiles(t *testing.T) {
	files := terms(sections(manPage(t, "virt-netboot.8"), "##")["FILES"])
	for _, path := range []string{
		config.DefaultPath,
		config.Default().Gateway.Listen,
		filepath.Join(status.Dir, status.Socket),
		hookreport.Socket,
		hook.DefaultProgram,
		hook.Hooks{Dir: hook.DefaultDir}.Link(),
	} {
		if files["*"+path+"*"] == "" {
			t.Errorf("%s is not among the files", path)
		}
	}
}
