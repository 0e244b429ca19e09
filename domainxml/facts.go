package domainxml

import (
	"strings"
)

// novaNamespace is NOVA_NS of nova/virt/libvirt/config.py without its version.
const novaNamespace = "http://openstack.org/xmlns/libvirt/nova/"

// newDomain reads what a match needs from a domain document.
func newDomain(doc *document) Domain {
	d := Domain{
		Name: doc.text(doc.root.child("name")),
		UUID: doc.text(doc.root.child("uuid")),
		Type: doc.attr(doc.root, "type"),
		Nova: newNova(doc),
	}
	for _, nic := range doc.root.child("devices").all("interface") {
		source := nic.child("source")
		if bridge := doc.attr(source, "bridge"); bridge != "" {
			d.Bridges = append(d.Bridges, bridge)
		}
		if network := doc.attr(source, "network"); network != "" {
			d.Networks = append(d.Networks, network)
		}
	}
	return d
}

func newNova(doc *document) Nova {
	n := novaReader{doc: doc}
	instance := n.instance()
	if instance == nil {
		return Nova{}
	}
	owner, flavor, image := n.child(instance, "owner"), n.child(instance, "flavor"), n.child(instance, "image")
	nova := Nova{
		DisplayName: doc.text(n.child(instance, "name")),
		Project:     n.owner(n.child(owner, "project")),
		User:        n.owner(n.child(owner, "user")),
		Flavor: NovaFlavor{
			Name:       doc.attr(flavor, "name"),
			ID:         doc.attr(flavor, "id"),
			ExtraSpecs: n.named(n.child(flavor, "extraSpecs")),
		},
		Image: NovaImage{
			UUID:       doc.attr(image, "uuid"),
			Properties: n.named(n.child(image, "properties")),
		},
	}
	if root := n.child(instance, "root"); nova.Image.UUID == "" && doc.attr(root, "type") == "image" {
		nova.Image.UUID = doc.attr(root, "uuid")
	}
	return nova
}

// novaReader reads Nova's metadata under whatever prefix its namespace has.
type novaReader struct{ doc *document }

func (n novaReader) instance() *element {
	metadata := n.doc.root.child("metadata")
	if metadata == nil {
		return nil
	}
	for _, c := range metadata.children {
		if c.local() == "instance" && strings.HasPrefix(n.doc.namespace(c), novaNamespace) {
			return c
		}
	}
	return nil
}

func (n novaReader) child(e *element, local string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.local() == local {
			return c
		}
	}
	return nil
}

func (n novaReader) owner(e *element) NovaOwner {
	return NovaOwner{Name: n.doc.text(e), UUID: n.doc.attr(e, "uuid")}
}

// named reads children of the form <x name='key'>value</x>.
func (n novaReader) named(e *element) map[string]string {
	if e == nil {
		return nil
	}
	values := map[string]string{}
	for _, c := range e.children {
		values[n.doc.attr(c, "name")] = n.doc.text(c)
	}
	return values
}
