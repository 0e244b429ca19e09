package cli

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/agent"
	"github.com/virt-netboot/virt-netboot/internal/printable"
)

func newCompletion() *cobra.Command {
	shells := map[string]func(*cobra.Command, io.Writer) error{
		"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"zsh":  (*cobra.Command).GenZshCompletion,
	}
	return &cobra.Command{
		Use:   "completion bash|fish|zsh",
		Short: "Write the script that completes command lines in a shell",
		Long: `Write the script that completes virt-netboot's command lines in a shell:
commands, options, domains that libvirt has, bridges of this node. The packages
have installed it where bash (with the package bash-completion), fish and zsh
look for it.

Exit status:
  0  it is written
  1  the output cannot be written
  2  there is none for this shell`,
		Example:               `  source <(virt-netboot completion bash)`,
		ValidArgs:             []string{"bash", "fish", "zsh"},
		Args:                  usage(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			var b strings.Builder
			if err := shells[args[0]](cmd.Root(), &b); err != nil {
				return &failure{error: err}
			}
			return write(cmd.OutOrStdout(), []byte(b.String()))
		},
	}
}

// completeFlag has a function complete the value of a flag that the command has.
func completeFlag(cmd *cobra.Command, name string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err)
	}
}

// completeFiles leaves it to the shell to complete the name of a file.
func completeFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeDirs leaves it to the shell to complete the name of a directory.
func completeDirs(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completionTimeout is how long the tab key may take.
const completionTimeout = 2 * time.Second

// completeDomains completes the names of libvirt's domains that a command line does
// not name yet. Without an answer of libvirt there are none.
func completeDomains(source *configSource) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		return offeredNames(domainNames(ctx, source), args), cobra.ShellCompDirectiveNoFileComp
	}
}

// offeredNames are those that a shell may put on a command line that does not name them yet.
// The name of a domain may be an option's, such as --all, or control the terminal.
func offeredNames(names, args []string) []cobra.Completion {
	var offered []cobra.Completion
	for _, name := range names {
		if !slices.Contains(args, name) && !strings.HasPrefix(name, "-") && printable.Line(name) == name {
			offered = append(offered, name)
		}
	}
	return offered
}

func domainNames(ctx context.Context, source *configSource) []string {
	c, err := source.load()
	if err != nil {
		return nil
	}
	conn, err := connect(ctx, c)
	if err != nil {
		return nil
	}
	defer conn.Close()
	domains, err := conn.Domains(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, d := range domains {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

// completeBridges completes the bridges of the network namespace that sysfs shows.
func completeBridges(sysfs string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		dirs, _ := filepath.Glob(filepath.Join(sysfs, "class/net/*/bridge")) // the pattern is a good one
		names := make([]cobra.Completion, len(dirs))
		for i, dir := range dirs {
			names[i] = filepath.Base(filepath.Dir(dir))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeComponents completes the last name of a list of the agent's components.
func completeComponents(_ *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	comma := strings.LastIndex(toComplete, ",") + 1
	before := strings.Split(toComplete[:comma], ",")
	var lists []cobra.Completion
	for _, component := range agent.AllComponents() {
		if !slices.Contains(before, component) {
			lists = append(lists, toComplete[:comma]+component)
		}
	}
	return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
