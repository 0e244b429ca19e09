package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"mvdan.cc/sh/v3/syntax"
)

// mistakesOfCommands checks each of virt-netboot's command lines in a text. With
// prompted, lines without a prompt are output.
func mistakesOfCommands(text string, prompted bool) []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		line, prompt := cutPrompt(strings.TrimSpace(line))
		if strings.Contains(line, "virt-netboot ") && (prompt || !prompted) {
			all = append(all, mistakesOfShell(line, true)...)
		}
	}
	return all
}

// mistakesOfSpan checks a command in running text, which may be a part of one.
func mistakesOfSpan(span string) []string {
	if !strings.HasPrefix(span, "virt-netboot ") {
		return nil
	}
	return mistakesOfShell(span, false)
}

// cutPrompt takes away the prompt of a user or of root.
func cutPrompt(line string) (command string, prompt bool) {
	for _, p := range []string{"$ ", "# "} {
		if command, ok := strings.CutPrefix(line, p); ok {
			return command, true
		}
	}
	return line, false
}

func mistakesOfShell(line string, whole bool) []string {
	script, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", line, err)}
	}
	var all []string
	syntax.Walk(script, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			all = append(all, mistakesOfCall(words(call), whole)...)
		}
		return true
	})
	return all
}

// words are a simple command's words without quotation marks and variables.
func words(call *syntax.CallExpr) []string {
	var all []string
	for _, arg := range call.Args {
		var word strings.Builder
		syntax.Walk(arg, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.Lit:
				word.WriteString(n.Value)
			case *syntax.SglQuoted:
				word.WriteString(n.Value)
			}
			return true
		})
		all = append(all, word.String())
	}
	return all
}

// mistakesOfCall checks a simple command, and what it runs in turn.
func mistakesOfCall(words []string, whole bool) []string {
	if len(words) == 0 || !slices.Contains([]string{"virt-netboot", "ssh", "sh", "sudo", "watch", "xargs"}, words[0]) {
		return nil
	}
	whole = whole && words[0] != "xargs"
	if i := slices.Index(words, "virt-netboot"); i >= 0 {
		if err := parses(words[i+1:], whole); err != nil {
			return []string{fmt.Sprintf("%s: %v", strings.Join(words[i:], " "), err)}
		}
		return nil
	}
	var all []string
	for _, word := range words[1:] {
		if strings.Contains(word, "virt-netboot ") {
			all = append(all, mistakesOfShell(word, whole)...)
		}
	}
	return all
}

// parses returns why virt-netboot does not take a command line. Brackets stand, as
// in its usage, for what may be left out.
func parses(args []string, whole bool) error {
	var plain []string
	for _, arg := range args {
		plain = append(plain, strings.Trim(arg, "[]"))
	}
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(plain...)
	cmd, rest, err := root.Find(plain)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	err = cmd.ParseFlags(rest)
	if missing := (*pflag.ValueRequiredError)(nil); errors.As(err, &missing) && !whole {
		return nil
	}
	switch flags := cmd.Flags(); {
	case err != nil:
		return err
	case !whole && flags.NArg() == 0, flags.Changed("help"), flags.Changed("version"):
		return nil
	case cmd.HasSubCommands():
		return errors.New("say which of its commands")
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
