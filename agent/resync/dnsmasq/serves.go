package dnsmasq

import (
	"slices"
	"strings"
)

// ServesIPXE returns the line, from 1, by which a file names what iPXE is to boot: its
// dnsmasq is the server that iPXE has to ask. It is 0 where no line does.
func ServesIPXE(src []byte) int {
	options, err := parse(src)
	if err != nil {
		return 0
	}
	return servesIPXE(options)
}

func servesIPXE(options []option) int {
	at := slices.IndexFunc(options, func(o option) bool { return o.namesBootFile() && !excludes(o, tagsOfIPXE(options)) })
	if at < 0 {
		return 0
	}
	return options[at].line
}

// BootFiles are the boot files that an options file (dhcp-optsfile) of Neutron's names, by
// the ID of the port whose owner has set them as extra_dhcp_opts; those that iPXE gets, too
// (neutron/agent/linux/dhcp.py, _output_opts_file: the tag is the port's ID, or port- and
// that). conf is the rest of the configuration. A line that cannot be read names none.
func BootFiles(conf, options []byte) map[string]string {
	known, err := parse(conf)
	if err != nil {
		return nil
	}
	iPXE := tagsOfIPXE(known)
	files := map[string]string{}
	for line := range strings.Lines(string(options)) {
		o, _, err := parseLine("dhcp-option=" + strings.TrimSpace(line))
		if tags, rest := o.condition(); err == nil && len(tags) > 0 && o.namesBootFile() && !excludes(o, iPXE) {
			files[strings.TrimPrefix(tags[0], "port-")] = strings.Join(rest[1:], ",")
		}
	}
	return files
}

// tagsOfIPXE are the tags that the file gives to iPXE, which it knows by its user class
// or by its option 175. Other clients may have them, too.
func tagsOfIPXE(options []option) []string {
	tags := iPXETags(options)
	for _, o := range options {
		if o.name == "dhcp-match" && slices.Contains(o.args, "175") {
			tags = append(tags, strings.TrimPrefix(o.args[0], "set:"))
		}
	}
	return tags
}

// namesBootFile reports whether an option names what a client is to boot.
func (o option) namesBootFile() bool {
	switch o.name {
	case "dhcp-boot", "pxe-service":
		return true
	case "dhcp-option", "dhcp-option-force":
		_, rest := o.condition()
		return len(rest) > 0 && (rest[0] == "67" || rest[0] == "option:bootfile-name")
	}
	return false
}

// excludes reports whether an option is not for clients that have all of the tags.
func excludes(o option, tags []string) bool {
	condition, _ := o.condition()
	return slices.ContainsFunc(condition, func(tag string) bool {
		return tag != "" && negated(tag) && slices.Contains(tags, tag[1:])
	})
}

// condition are the tags that a client must have, and the other arguments.
func (o option) condition() (tags, rest []string) {
	for i, arg := range o.args {
		tag, is := cutTag(arg)
		if !is {
			return tags, o.args[i:]
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// cutTag takes the mark of a tag away (is_tag_prefix in dnsmasq's option.c).
func cutTag(arg string) (tag string, is bool) {
	for _, prefix := range []string{"tag:", "net:"} {
		if tag, is := strings.CutPrefix(arg, prefix); is {
			return tag, true
		}
	}
	return arg, false
}
