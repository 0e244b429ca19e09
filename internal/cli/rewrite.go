package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// rewriteOptions are the flags of rewrite.
type rewriteOptions struct {
	diff, json bool
	color      colorMode
	domain     string // the domain's file, for a device document
}

func newRewrite() *cobra.Command {
	opts := rewriteOptions{color: colorAuto}
	cmd := &cobra.Command{
		Use:   "rewrite [--diff|--json] [--domain FILE] [--config FILE] [FILE|-]",
		Short: "Apply the rules to a domain document",
		Long: `Read a domain document from FILE, or from standard input, and write it to
standard output as the rules want it. The agent changes a document in the same
way. Outside the changes no byte differs, and libvirt is not asked.

Standard error says which rule decided, what was changed, and what still keeps
the domain from booting from the network.

With --domain, the document is a single device, such as the <interface> that
virsh attach-device takes; the rules are matched against the domain in FILE.

Exit status:
  0  the document was read, whether or not something changed
  1  the output cannot be written
  2  the document or the configuration cannot be read`,
		Example: `  virsh dumpxml --inactive instance-00000001 | virt-netboot rewrite --diff
  virt-netboot rewrite instance.xml > rewritten.xml
  virt-netboot rewrite --domain instance.xml interface.xml`,
		Args:                  usage(cobra.MaximumNArgs(1)),
		ValidArgsFunction:     completeFiles,
		DisableFlagsInUseLine: true,
	}
	source := configFlag(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&opts.diff, "diff", false, "write a unified diff instead of the document")
	flags.BoolVar(&opts.json, "json", false, "write the result as a JSON object: domain, rule, changes, warnings, document")
	colorFlag(cmd, &opts.color, "diff")
	flags.StringVar(&opts.domain, "domain", "", "the document is a device for the domain in `FILE`")
	completeFlag(cmd, "domain", completeFiles)
	cmd.MarkFlagsMutuallyExclusive("diff", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := source.load()
		if err != nil {
			return err
		}
		in, err := readInput(cmd, args)
		if err != nil {
			return err
		}
		c.Mode = config.ModeEnforce // the command only prints the result
		r := documentRewriter(c)
		res, err := opts.apply(r, in)
		if err != nil {
			return err
		}
		report(cmd.ErrOrStderr(), res)
		return opts.print(cmd.OutOrStdout(), in, res)
	}
	return cmd
}

// input is a document and what to call it.
type input struct {
	name string
	doc  []byte
}

func readInput(cmd *cobra.Command, args []string) (input, error) {
	if len(args) == 1 && args[0] != "-" {
		return readFile(args[0])
	}
	stdin := cmd.InOrStdin()
	if isTerminal(stdin) {
		fmt.Fprintln(cmd.ErrOrStderr(), "virt-netboot: waiting for a domain document on standard input; Ctrl-D ends it")
	}
	doc, err := io.ReadAll(stdin)
	if err != nil {
		return input{}, fmt.Errorf("reading standard input: %w", err)
	}
	return input{name: "<stdin>", doc: doc}, nil
}

func readFile(path string) (input, error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return input{}, fmt.Errorf("reading the document: %w", err)
	}
	return input{name: path, doc: doc}, nil
}

// apply rewrites the document, a domain's or with --domain a device's.
func (o rewriteOptions) apply(r domainxml.Rewriter, in input) (domainxml.Result, error) {
	if o.domain == "" {
		res, err := r.Domain(in.doc, domainxml.Inactive)
		return res, in.locate(err)
	}
	domain, err := readFile(o.domain)
	if err != nil {
		return domainxml.Result{}, err
	}
	// Checked first, so that an error of Device is about the device.
	if _, err := (domainxml.Rewriter{}).Domain(domain.doc, domainxml.Inactive); err != nil {
		return domainxml.Result{}, domain.locate(err)
	}
	res, err := r.Device(in.doc, domain.doc)
	return res, in.locate(err)
}

// locate gives a syntax error its file, in the form that editors jump to.
func (in input) locate(err error) error {
	var syntax *domainxml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s:%d:%d: %s", in.name, syntax.Line, syntax.Column, syntax.Message)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	return nil
}

// report says which rule decided and what it did.
func report(w io.Writer, res domainxml.Result) {
	io.WriteString(w, line("%s: %s", res.Domain.Name, verdict(res)))
	for _, c := range res.Changes {
		io.WriteString(w, line("changed: %s", c))
	}
	for _, warning := range res.Warnings {
		io.WriteString(w, line("warning: %s %s", res.Domain.Name, warning))
	}
}

func verdict(res domainxml.Result) string {
	switch {
	case !res.Domain.QEMU():
		return fmt.Sprintf("left alone: type %q is not one of libvirt's QEMU driver", res.Domain.Type)
	case res.Rule == nil:
		return "left alone: no rule matches"
	case !res.Changed():
		return fmt.Sprintf("rule %q changes nothing", res.Rule.Name)
	}
	return fmt.Sprintf("rule %q decides", res.Rule.Name)
}

func (o rewriteOptions) print(w io.Writer, in input, res domainxml.Result) error {
	switch {
	case o.diff:
		d := diff.Diff(in.name, in.doc, in.name+" (rewritten)", res.Output)
		return write(w, o.color.diff(w, d))
	case o.json:
		return writeJSON(w, newJSONResult(res))
	}
	return write(w, res.Output)
}

func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
