package domainxml

import "strconv"

// readOldItems reads the items that the version before wrote. They have what was there,
// and not what was written:
//
//	<netboot:boot><boot dev='hd'/></netboot:boot>
//	<netboot:order type="disk" number="1" name="vda" value="1"/>
//	<netboot:kernel><kernel>…</kernel><cmdline>…</cmdline></netboot:kernel>
//	<netboot:filterref number="1" name="fa:16:3e:50:43:cd" to="other"><filterref …/></netboot:filterref>
//
// So what was written is what that version's rules would have written.
func (d *Document) readOldItems(e *element) []undoItem {
	var items []undoItem
	for _, c := range e.Children {
		if _, current := d.readItem(c); current {
			continue
		}
		i := undoItem{thing: undoThing(c.Local()), was: d.pieces(c.Children)}
		i.device = deviceID{kind: d.doc.Attr(c, "type"), name: d.doc.Attr(c, "name")}
		i.device.position, _ = strconv.Atoi(d.doc.Attr(c, "number"))
		switch i.thing {
		case undoOrder:
			i.was = orderPieces(orderNumber(d.doc.Attr(c, "value")))
		case undoFilterref:
			i.device.kind = "interface"
			if to := d.doc.Attr(c, "to"); to != "" {
				i.wrote = []piece{{value: to}}
			}
		case undoBoot, undoKernel:
		default:
			continue
		}
		items = append(items, i)
	}
	d.locate(items, false)
	return d.completeOld(items)
}

// completeOld adds what was written to the items.
func (d *Document) completeOld(items []undoItem) []undoItem {
	orders := false
	var complete []undoItem
	for _, i := range items {
		orders = orders || i.thing == undoOrder
		last := len(complete) - 1
		if i.thing == undoFilterref && last >= 0 && complete[last].group() == i.group() {
			complete[last].was = append(complete[last].was, i.was...) // each was an item
			continue
		}
		complete = append(complete, i)
	}
	changed := []piece{{value: "something else"}} // a client has set the order since
	for n := range complete {
		switch i := &complete[n]; i.thing {
		case undoBoot:
			if !orders {
				i.wrote = bootPieces(bootNames(networkFirst(d.bootDevices(i.was))))
			}
		case undoOrder:
			i.wrote = changed
			if i.element != nil && d.bootsFrom() == BootsFromNetwork {
				i.wrote = d.now(*i)
			}
		case undoKernel:
			d.completeOldKernel(i)
		}
	}
	return complete
}

// completeOldKernel adds what was written: nothing where the kernel was dropped, and
// all but the command line where only that was removed.
func (d *Document) completeOldKernel(i *undoItem) {
	for _, p := range i.was {
		if p.is("kernel") {
			return
		}
	}
	for _, p := range d.now(*i) {
		if !p.is("cmdline") {
			i.wrote = append(i.wrote, p)
		}
	}
	if d.os.Kernel == "" {
		i.wrote = []piece{{value: "kernel=gone"}}
	}
	i.was = append(i.wrote[:len(i.wrote):len(i.wrote)], i.was...)
}
