package domainxml

import (
	"strings"

	"github.com/virt-netboot/virt-netboot/domainxml/internal/xmltree"
)

// hidden replaces a secret.
const hidden = "***"

// Redact returns a document with its secrets hidden, for diffs and logs: the
// passwords of graphics, what qemu:commandline passes to QEMU, what refers to a
// secret of libvirt's, cookies, and what the firmware interfaces hand to the
// guest. All else stays byte for byte. A document that cannot be read is an error,
// since its secrets are not known.
//
// The passwords and cookies are those that libvirt itself leaves out without
// VIR_DOMAIN_XML_SECURE.
func Redact(doc []byte) ([]byte, error) {
	parsed, err := parse(doc)
	if err != nil {
		return nil, err
	}
	e := xmltree.NewEdits(doc)
	for _, s := range parsed.secrets(parsed.Root) {
		e.Replace(s.start, s.end, hidden)
	}
	return e.Apply(), nil
}

// RedactMessage returns a message of libvirt's about documents for a log: only its first
// line, since libvirt quotes from documents in the others. Where that line may have a
// secret of the documents, RedactMessage returns the reason why the message is not shown.
// QEMU quotes its arguments whole, in parts, or cut off, so no message is shown where a
// secret is passed to QEMU. Any other secret must not be in the message.
func RedactMessage(message string, docs ...[]byte) string {
	message, _, _ = strings.Cut(message, "\n")
	for _, doc := range docs {
		parsed, err := parse(doc)
		if err != nil {
			return "a message that is not shown, since the document cannot be searched for secrets; libvirt's own log has it"
		}
		for _, s := range parsed.secrets(parsed.Root) {
			if s.toQEMU || quotes(message, parsed.Slice(s.start, s.end)) {
				return "a message that is not shown, since it may quote a secret of the document; libvirt's own log has it"
			}
		}
	}
	return message
}

// quotes reports whether a message has a part of a secret, as written in the document
// or without XML's escapes. It compares parts, since libvirt may have changed the white
// space between them, or ended the line there.
func quotes(message, secret string) bool {
	for part := range strings.FieldsSeq(secret + " " + xmltree.Unescape(secret)) {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// secret is a secret's position in the source.
type secret struct {
	start, end int
	toQEMU     bool // on QEMU's command line or in its environment
}

// secrets are those of an element, in the document's order.
func (d *tree) secrets(el *element) []secret {
	var found []secret
	for _, a := range el.Attrs {
		if toQEMU, is := secretAttribute(el, a.Name); is && a.End > a.Start {
			found = append(found, secret{a.Start, a.End, toQEMU})
		}
	}
	if toQEMU, is := secretText(el); is && el.BodyEnd > el.Body {
		return append(found, secret{el.Body, el.BodyEnd, toQEMU})
	}
	for _, c := range el.Children {
		found = append(found, d.secrets(c)...)
	}
	return found
}

func secretAttribute(el *element, name string) (toQEMU, is bool) {
	switch el.Local() {
	case "graphics":
		return false, name == "passwd"
	case "arg", "env":
		return true, name == "value" && within(el, "commandline")
	case "secret":
		return false, name != "type" && !strings.HasPrefix(name, "xmlns")
	}
	return false, false
}

func secretText(el *element) (toQEMU, is bool) {
	switch el.Local() {
	case "secret":
		return false, true
	case "cookie":
		return true, within(el, "cookies")
	case "entry":
		return true, within(el, "oemStrings") || within(el, "sysinfo")
	}
	return false, false
}

func within(el *element, parent string) bool {
	return el.Parent != nil && el.Parent.Local() == parent
}
