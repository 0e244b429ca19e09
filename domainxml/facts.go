package domainxml

import (
	"strings"
)

// novaNamespace is NOVA_NS of nova/virt/libvirt/config.py without its version.
const novaNamespace = "http://openstack.org/xmlns/libvirt/nova/"

// newDomain reads what a match needs from a domain document.
func newDomain(doc *tree) Domain {
	d := Domain{
		Name: doc.Text(doc.Root.Child("name")),
		UUID: doc.Text(doc.Root.Child("uuid")),
		Type: doc.Attr(doc.Root, "type"),
		Nova: newNova(doc),
	}
	for _, nic := range doc.Root.Child("devices").All("interface") {
		source := nic.Child("source")
		if bridge := doc.Attr(source, "bridge"); bridge != "" {
			d.Bridges = append(d.Bridges, bridge)
		}
		if network := doc.Attr(source, "network"); network != "" {
			d.Networks = append(d.Networks, network)
		}
	}
	return d
}

func newNova(doc *tree) Nova {
	n := novaReader{doc: doc}
	instance := n.instance()
	if instance == nil {
		return Nova{}
	}
	owner, flavor, image := n.child(instance, "owner"), n.child(instance, "flavor"), n.child(instance, "image")
	nova := Nova{
		DisplayName: doc.Text(n.child(instance, "name")),
		Created:     doc.Text(n.child(instance, "creationTime")),
		Project:     n.owner(n.child(owner, "project")),
		User:        n.owner(n.child(owner, "user")),
		Flavor: NovaFlavor{
			Name:       doc.Attr(flavor, "name"),
			ID:         doc.Attr(flavor, "id"),
			ExtraSpecs: n.named(n.child(flavor, "extraSpecs")),
		},
		Image: NovaImage{
			UUID:       doc.Attr(image, "uuid"),
			Properties: n.named(n.child(image, "properties")),
		},
	}
	if root := n.child(instance, "root"); nova.Image.UUID == "" && doc.Attr(root, "type") == "image" {
		nova.Image.UUID = doc.Attr(root, "uuid")
	}
	return nova
}

// novaReader reads Nova's metadata, with any prefix of its namespace.
type novaReader struct{ doc *tree }

func (n novaReader) instance() *element {
	metadata := n.doc.Root.Child("metadata")
	if metadata == nil {
		return nil
	}
	for _, c := range metadata.Children {
		if c.Local() == "instance" && strings.HasPrefix(n.doc.Namespace(c), novaNamespace) {
			return c
		}
	}
	return nil
}

func (n novaReader) child(e *element, local string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Local() == local {
			return c
		}
	}
	return nil
}

func (n novaReader) owner(e *element) NovaOwner {
	return NovaOwner{Name: n.doc.Text(e), UUID: n.doc.Attr(e, "uuid")}
}

// named reads children of the form <x name='key'>value</x>.
func (n novaReader) named(e *element) map[string]string {
	if e == nil {
		return nil
	}
	values := map[string]string{}
	for _, c := range e.Children {
		values[n.doc.Attr(c, "name")] = n.doc.Text(c)
	}
	return values
}
