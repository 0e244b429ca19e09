package manual

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exitStatus is the heading of the exit statuses in a command's help.
const exitStatus = "\nExit status:\n"

// commandsPage is the page of a program with its commands, as their --help has it,
// and with what else there is to say.
func commandsPage(root *cobra.Command, section int, rest string) Page {
	page := Page{Name: root.Name(), Section: section, Summary: strings.ToLower(root.Short[:1]) + root.Short[1:]}
	add := func(blocks ...block) { page.blocks = append(page.blocks, blocks...) }
	commands := documented(root)

	add(block{section: "SYNOPSIS"})
	for _, cmd := range commands {
		if !cmd.HasAvailableSubCommands() {
			add(block{synopsis: cmd.UseLine()})
		}
	}
	description, statuses, _ := strings.Cut(root.Long, exitStatus)
	add(block{section: "DESCRIPTION"})
	add(parseText(description)...)
	add(block{section: "COMMANDS"})
	for _, cmd := range commands {
		add(command(cmd)...)
	}
	add(block{section: "EXIT STATUS"})
	add(parseText(statuses)...)
	add(parseText("Some commands say more with theirs, as told with each.")...)
	add(block{section: "EXAMPLES"})
	for _, cmd := range commands {
		if cmd.Example != "" {
			add(block{paragraph: []string{cmd.Short + ":"}}, block{example: dedent(strings.Split(cmd.Example, "\n"))})
		}
	}
	add(parseText(rest)...)
	return page
}

// documented are the commands below one that are shown to users, in the order of
// their names, each before its own.
func documented(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range parent.Commands() {
		if cmd.IsAvailableCommand() {
			all = append(append(all, cmd), documented(cmd)...)
		}
	}
	return all
}

func command(cmd *cobra.Command) []block {
	description, statuses, ends := strings.Cut(cmd.Long, exitStatus)
	if description == "" {
		description = cmd.Short + "."
	}
	blocks := append([]block{{subsection: strings.TrimPrefix(cmd.UseLine(), cmd.Root().Name()+" ")}}, parseText(description)...)
	if options := options(cmd.LocalFlags()); len(options) > 0 {
		blocks = append(blocks, block{paragraph: []string{"Options:"}}, block{list: options})
	}
	if ends {
		blocks = append(append(blocks, block{paragraph: []string{"Exit status:"}}), parseText(statuses)...)
	}
	return blocks
}

func options(flags *pflag.FlagSet) []item {
	var items []item
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		if value != "" {
			term += " " + strings.ToUpper(value)
		}
		if d := f.DefValue; d != "" && d != "0" && d != "false" && d != "[]" {
			usage += " (default " + d + ")"
		}
		items = append(items, item{term, []block{{paragraph: []string{usage}}}})
	})
	return items
}
