package domainxml_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// story is a domain that is defined, edited and reverted. Its devices are nic1,
// nic2, vda, vdb and the CD-ROM drive sda.
type story struct {
	t    *testing.T
	doc  string
	says []string // of the last step
}

func newStory(t *testing.T, order string) *story {
	s := &story{t: t, doc: `<domain type='kvm'>
  <name>a</name>
  <os>
    <type>hvm</type>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/vda'/>
      <target dev='vda'/>
    </disk>
    <disk type='file' device='disk'>
      <target dev='vdb'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda'/>
    </disk>
    <interface type='bridge'>
      <source bridge='nic1'/>
      <mac address='52:54:00:00:00:01'/>
    </interface>
    <interface type='bridge'>
      <source bridge='nic2'/>
      <mac address='52:54:00:00:00:02'/>
    </interface>
  </devices>
</domain>`}
	s.setOrder(order)
	return s
}

// setOrder is an operator's edit: "hd, network" is <boot dev='…'/>, "vda=1, nic1=2"
// is <boot order='…'/>.
func (s *story) setOrder(order string) {
	s.t.Helper()
	s.removeLines("<boot ")
	devices := strings.Split(order, ", ")
	if order == "" {
		return
	}
	for _, o := range slices.Backward(devices) {
		device, number, ordered := strings.Cut(o, "=")
		switch {
		case !ordered:
			s.insertAfter("<type>", "<boot dev='"+device+"'/>")
		case strings.HasPrefix(device, "nic"):
			s.insertAfter("<source bridge='"+device+"'", "<boot order='"+number+"'/>")
		default:
			s.insertAfter("<target dev='"+device+"'", "<boot order='"+number+"'/>")
		}
	}
}

// order is the boot order that the document has, in the words of setOrder.
func (s *story) order() string {
	s.t.Helper()
	d := s.parsed()
	var boots, orders []string
	for _, b := range d.OS.BootDevices {
		boots = append(boots, b.Dev)
	}
	add := func(boot *libvirtxml.DomainDeviceBoot, device string) {
		if boot != nil {
			orders = append(orders, fmt.Sprintf("%s=%d", device, boot.Order))
		}
	}
	for _, disk := range d.Devices.Disks {
		add(disk.Boot, disk.Target.Dev)
	}
	for _, nic := range d.Devices.Interfaces {
		add(nic.Boot, nic.Source.Bridge.Bridge)
	}
	slices.SortFunc(orders, func(a, b string) int { return cmp.Compare(a[len(a)-1], b[len(b)-1]) })
	return strings.Join(append(boots, orders...), ", ")
}

func (s *story) parsed() *libvirtxml.Domain {
	s.t.Helper()
	d := new(libvirtxml.Domain)
	if err := d.Unmarshal(s.doc); err != nil {
		s.t.Fatalf("%v\n%s", err, s.doc)
	}
	return d
}

func (s *story) insertAfter(line, text string) {
	s.t.Helper()
	lines := strings.Split(s.doc, "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), line) })
	if at < 0 {
		s.t.Fatalf("no %s in\n%s", line, s.doc)
	}
	indent := lines[at][:strings.Index(lines[at], "<")]
	s.doc = strings.Join(slices.Insert(lines, at+1, indent+text), "\n")
}

func (s *story) removeLines(prefix string) {
	lines := slices.DeleteFunc(strings.Split(s.doc, "\n"), func(l string) bool {
		return strings.HasPrefix(strings.TrimSpace(l), prefix)
	})
	s.doc = strings.Join(lines, "\n")
}

func (s *story) replace(from, to string) {
	s.t.Helper()
	s.doc = replaceOnce(s.t, s.doc, from, to)
}

// define sends the document through a rule.
func (s *story) define(change ...func(*domainxml.Rule)) {
	s.t.Helper()
	rule := domainxml.DefaultRule()
	for _, c := range change {
		c(&rule)
	}
	r := domainxml.Rewriter{
		Policy:   domainxml.Policy{Rules: []domainxml.Rule{rule}},
		ReadDisk: func(domainxml.DiskSource, int) ([]byte, error) { return append(make([]byte, 510), 0x55, 0xaa), nil },
	}
	s.take(r.Domain([]byte(s.doc), domainxml.Inactive))
}

func (s *story) revert() {
	s.t.Helper()
	s.take(domainxml.Revert([]byte(s.doc), false))
}

func (s *story) take(res domainxml.Result, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	s.doc, s.says = string(res.Output), nil
	for _, c := range res.Changes {
		s.says = append(s.says, c.String())
	}
}

func bootAll(r *domainxml.Rule)    { r.BootNIC.All = true }
func bootSecond(r *domainxml.Rule) { r.BootNIC.Bridge = "nic2" }
