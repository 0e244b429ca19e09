package domainxml

import "strings"

// hidden stands where a secret was.
const hidden = "***"

// Redact returns a document with its secrets hidden, for diffs and logs: the
// passwords of graphics, what qemu:commandline passes to QEMU, what refers to a
// secret of libvirt's, cookies, and what the firmware interfaces hand to the
// guest. All else stays byte for byte. A document that cannot be read is an
// error, since what is secret in it is not known.
//
// The passwords and cookies are those that libvirt itself leaves out without
// VIR_DOMAIN_XML_SECURE.
func Redact(doc []byte) ([]byte, error) {
	parsed, err := parse(doc)
	if err != nil {
		return nil, err
	}
	e := &edits{src: doc}
	parsed.redact(e, parsed.root)
	return e.apply(), nil
}

func (d *document) redact(e *edits, el *element) {
	for _, a := range el.attrs {
		if secretAttribute(el, a.name) && a.end > a.start {
			e.add(a.start, a.end, hidden)
		}
	}
	if secretText(el) && el.bodyEnd > el.body {
		e.add(el.body, el.bodyEnd, hidden)
		return
	}
	for _, c := range el.children {
		d.redact(e, c)
	}
}

func secretAttribute(el *element, name string) bool {
	switch el.local() {
	case "graphics":
		return name == "passwd"
	case "arg", "env":
		return name == "value" && within(el, "commandline")
	case "secret":
		return name != "type" && !strings.HasPrefix(name, "xmlns")
	}
	return false
}

func secretText(el *element) bool {
	switch el.local() {
	case "secret":
		return true
	case "cookie":
		return within(el, "cookies")
	case "entry":
		return within(el, "oemStrings") || within(el, "sysinfo")
	}
	return false
}

func within(el *element, parent string) bool {
	return el.parent != nil && el.parent.local() == parent
}
