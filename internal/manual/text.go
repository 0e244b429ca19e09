package manual

import (
	"regexp"
	"strings"
)

// block is a part of a text, as the programs' --help have it: lines that begin at
// the margin are a paragraph; indented ones are a list where two spaces part what
// is explained from its explanation, and an example otherwise; a line in capitals
// begins a section. In the section SYNOPSIS each indented line is a command line.
//
// One of the fields is set. Subsections are not of such a text.
type block struct {
	section    string
	subsection string
	synopsis   string // a command line
	paragraph  []string
	list       []item
	example    []string
}

// item is a term and what is said of it.
type item struct {
	term string
	text []block
}

// parseText takes a text apart.
func parseText(text string) []block {
	var blocks []block
	section := ""
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for len(lines) > 0 {
		n := 0
		switch first := lines[0]; {
		case first == "":
			n = 1
		case isSection(first):
			n = 1
			section = first
			blocks = append(blocks, block{section: first})
		case isIndented(first) && section == "SYNOPSIS":
			n = 1
			blocks = append(blocks, block{synopsis: strings.TrimSpace(first)})
		case isIndented(first):
			n = count(lines, isIndented)
			blocks = append(blocks, parseIndented(lines[:n]))
		default:
			n = count(lines, func(line string) bool { return line != "" && !isIndented(line) })
			blocks = append(blocks, block{paragraph: lines[:n]})
		}
		lines = lines[n:]
	}
	return blocks
}

func isIndented(line string) bool { return strings.HasPrefix(line, "  ") }

func isSection(line string) bool { return regexp.MustCompile(`^[A-Z][A-Z ]+$`).MatchString(line) }

// count is how many of the first lines are so.
func count(lines []string, is func(string) bool) int {
	for i, line := range lines {
		if !is(line) {
			return i
		}
	}
	return len(lines)
}

// parseIndented makes a list of lines, or an example where they are none.
func parseIndented(lines []string) block {
	entry := regexp.MustCompile(`^(  \S+(?: \S+)*  +)(\S.*)$`)
	first := entry.FindStringSubmatch(lines[0])
	if first == nil {
		return block{example: dedent(lines)}
	}
	margin := strings.Repeat(" ", len(first[1]))
	var list []item
	for _, line := range lines {
		if text, further := strings.CutPrefix(line, margin); further {
			last := list[len(list)-1].text
			last[0].paragraph = append(last[0].paragraph, text)
			continue
		}
		parts := entry.FindStringSubmatch(line)
		if parts == nil || len(parts[1]) != len(margin) {
			return block{example: dedent(lines)}
		}
		list = append(list, item{strings.TrimSpace(parts[1]), []block{{paragraph: []string{parts[2]}}}})
	}
	return block{list: list}
}

// dedent takes away the indentation that all lines have.
func dedent(lines []string) []string {
	indent := len(lines[0])
	for _, line := range lines {
		indent = min(indent, len(line)-len(strings.TrimLeft(line, " ")))
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[indent:]
	}
	return out
}
