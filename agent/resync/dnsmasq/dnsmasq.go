// Package dnsmasq edits the configuration file of OpenStack's dnsmasq so that
// it leaves the DHCP requests of iPXE to the tenant's server:
//
//	dhcp-userclass=set:ipxe,iPXE
//	dhcp-ignore=tag:ipxe
package dnsmasq

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/resync/edit"
)

const (
	userClass = "iPXE" // in DHCP's option 77 (RFC 3004), as iPXE sends it
	ownTag    = "ipxe"
)

// Edit makes dnsmasq ignore iPXE: it adds what is missing of the two lines at
// the end. A tag that the file already gives to iPXE is used; where that tag is
// ignored already, nothing changes. Files that conf-file and conf-dir include
// are not looked at.
//
// A file that dnsmasq cannot read, that says the opposite, or that names what iPXE is to
// boot, is an [edit.Error]; the result's Output is then the input.
func Edit(src []byte) (edit.Result, error) {
	unchanged := edit.Result{Output: src}
	options, err := parse(src)
	if err != nil {
		return unchanged, err
	}
	given, ignored := iPXETags(options), ignoredTags(options)
	iPXE := slices.Concat(given, []string{ownTag})
	if at := slices.IndexFunc(options, func(o option) bool { return ignoresAllBut(o, iPXE) }); at >= 0 {
		return unchanged, &edit.Error{Line: options[at].line, Message: "this ignores everyone but iPXE; with iPXE ignored too, no client would be answered. Remove it, or remove this file from virt-netboot's configuration"}
	}
	if slices.ContainsFunc(given, func(tag string) bool { return slices.Contains(ignored, tag) }) {
		return unchanged, nil
	}
	if line := servesIPXE(options); line > 0 {
		return unchanged, &edit.Error{Line: line, Message: "this names what iPXE is to boot, so this dnsmasq is the server that iPXE has to ask; were iPXE ignored, it would boot nothing. Remove the line, or remove this file from virt-netboot's configuration"}
	}
	var lines []string
	tag := usableTag(options, slices.DeleteFunc(iPXE, unwritable))
	if !slices.Contains(given, tag) {
		lines = append(lines, "dhcp-userclass=set:"+tag+","+userClass)
	}
	if !slices.Contains(ignored, tag) {
		lines = append(lines, ignore(tag))
	}
	return appendLines(src, lines), nil
}

// iPXETags returns the tags that the file gives to iPXE's user class alone.
func iPXETags(options []option) []string {
	var tags []string
	for _, o := range options {
		if o.isIPXE() {
			tags = append(tags, strings.TrimPrefix(o.args[0], "set:"))
		}
	}
	return tags
}

func (o option) isIPXE() bool {
	return o.name == "dhcp-userclass" && len(o.args) == 2 && o.args[1] == userClass
}

// ignoredTags returns the tags that alone make dnsmasq ignore a request.
func ignoredTags(options []option) []string {
	var tags []string
	for _, o := range options {
		if tag, ok := o.onlyIgnored(); ok && !negated(tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// ignoresAllBut reports whether an option ignores all that lack one of the tags.
func ignoresAllBut(o option, tags []string) bool {
	tag, ok := o.onlyIgnored()
	return ok && negated(tag) && slices.Contains(tags, tag[1:])
}

// onlyIgnored returns the tag of a dhcp-ignore that has just one. With several,
// a request must have them all.
func (o option) onlyIgnored() (tag string, ok bool) {
	if o.name != "dhcp-ignore" || len(o.args) != 1 {
		return "", false
	}
	tag, _ = cutTag(o.args[0])
	return tag, tag != ""
}

// negated reports whether a tag is one that a request must not have; # is the
// old spelling of ! (match_netid in dnsmasq's dhcp-common.c).
func negated(tag string) bool { return tag[0] == '!' || tag[0] == '#' }

// unwritable reports whether dnsmasq would not read the tag in a dhcp-ignore as it
// was written: it is empty, negates, or needs quotes.
func unwritable(tag string) bool {
	o, _, err := parseLine(ignore(tag))
	read, ok := o.onlyIgnored()
	return err != nil || !ok || read != tag || negated(tag)
}

func ignore(tag string) string { return "dhcp-ignore=tag:" + tag }

// usableTag returns the first of the tags that no other clients have, or a new
// one: to ignore theirs would take DHCP from them.
func usableTag(options []option, tags []string) string {
	for _, tag := range tags {
		if !givenToOthers(options, tag) {
			return tag
		}
	}
	return usableTag(options, []string{tags[len(tags)-1] + "-client"})
}

// givenToOthers reports whether a line gives the tag to clients that it does not
// know by iPXE's user class. A dhcp-match of that name is the other usual way to
// recognise iPXE, by its option 175.
func givenToOthers(options []option, tag string) bool {
	return slices.ContainsFunc(options, func(o option) bool {
		if o.isIPXE() || o.name == "dhcp-match" || len(o.args) == 0 {
			return false
		}
		unmarked := slices.Contains([]string{"dhcp-userclass", "dhcp-vendorclass", "dhcp-mac"}, o.name)
		return slices.Contains(o.args, "set:"+tag) ||
			o.name == "dhcp-host" && slices.Contains(o.args, "net:"+tag) ||
			unmarked && o.args[0] == tag
	})
}

func appendLines(src []byte, lines []string) edit.Result {
	eol := "\n"
	if bytes.HasSuffix(src, []byte("\r\n")) {
		eol = "\r\n"
	}
	var s edit.Splices
	at := edit.Line(src, len(src))
	text := ""
	if len(src) > 0 && src[len(src)-1] != '\n' {
		text, at = eol, at+1
	}
	var res edit.Result
	for i, line := range lines {
		text += line + eol
		res.Changes = append(res.Changes, edit.Note{Line: at + i, Text: line + " added"})
	}
	s.Add(len(src), len(src), text)
	res.Output = s.Apply(src)
	res.Todo = "restart dnsmasq, which reads this file only when it starts: restart neutron-dhcp-agent, or kill it and restart nova-network"
	return res
}

// option is one line of the file that is neither empty nor a comment.
type option struct {
	line int // from 1
	name string
	args []string // what stands behind the =, split at its commas
}

// parse reads a file as read_file in dnsmasq's option.c does.
func parse(src []byte) ([]option, error) {
	var options []option
	for i, line := range bytes.Split(src, []byte("\n")) {
		o, ok, err := parseLine(string(line))
		if err != nil {
			return nil, &edit.Error{Line: i + 1, Message: err.Error()}
		}
		if ok {
			o.line = i + 1
			options = append(options, o)
		}
	}
	return options, nil
}

// parseLine splits a line into its option's name and arguments. Within double
// quotes = , and # mean themselves, and \ escapes.
func parseLine(line string) (o option, ok bool, err error) {
	var field strings.Builder
	fields, quoted, white, named := []string{}, false, true, false
	next := func() {
		fields = append(fields, strings.TrimSpace(field.String()))
		field.Reset()
	}
scan:
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case b == 0:
			return o, false, fmt.Errorf("a NUL byte: this is no configuration of dnsmasq")
		case quoted && b == '\\' && i+1 < len(line) && strings.IndexByte(`"tnebr\`, line[i+1]) >= 0:
			i++
			field.WriteByte(line[i])
		case b == '"':
			quoted, white = !quoted, false
		case quoted:
			field.WriteByte(b)
		case b == '#' && white:
			break scan
		case b == '=' && !named:
			named = true
			next()
		case b == ',' && named:
			next()
			white = false
		default:
			field.WriteByte(b)
			white = strings.IndexByte(" \t\r\v\f", b) >= 0
		}
	}
	if quoted {
		return o, false, fmt.Errorf(`a " that is never closed: dnsmasq refuses this line`)
	}
	next()
	return option{name: fields[0], args: fields[1:]}, fields[0] != "", nil
}
