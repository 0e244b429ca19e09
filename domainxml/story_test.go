package domainxml_test

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
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

// setFilters is an operator's edit of an interface, nic1 or nic2.
func (s *story) setFilters(nic string, filters ...string) {
	s.t.Helper()
	begin, end := s.nic(nic)
	before, element, behind := s.doc[:begin], s.doc[begin:end], s.doc[end:]
	s.doc = element
	s.removeLines("<filterref ")
	for _, f := range slices.Backward(filters) {
		s.insertAfter("<mac ", "<filterref filter='"+f+"'/>")
	}
	s.doc = before + s.doc + behind
}

// filters are those of an interface, the first of which counts.
func (s *story) filters(nic string) string {
	s.t.Helper()
	begin, end := s.nic(nic)
	var filters []string
	for _, m := range regexp.MustCompile(`<filterref filter='(.*?)'`).FindAllStringSubmatch(s.doc[begin:end], -1) {
		filters = append(filters, m[1])
	}
	return strings.Join(filters, ", ")
}

// setKernel is an operator's edit of what <os> has for a kernel.
func (s *story) setKernel(elements string) {
	s.t.Helper()
	for _, name := range []string{"kernel", "initrd", "cmdline", "shim"} {
		s.removeLines("<" + name)
	}
	if elements != "" {
		s.insertAfter("<type>", regexp.MustCompile(`><([a-z])`).ReplaceAllString(elements, ">\n    <$1"))
	}
}

// kernel is what <os> has for a kernel.
func (s *story) kernel() string {
	begin, end := strings.Index(s.doc, "<os>"), strings.Index(s.doc, "</os>")
	found := regexp.MustCompile(`<(kernel|initrd|cmdline|shim)>.*?</.*?>`).FindAllString(s.doc[begin:end], -1)
	return strings.Join(found, "")
}

func (s *story) nic(name string) (begin, end int) {
	s.t.Helper()
	at := strings.Index(s.doc, "bridge='"+name+"'")
	if at < 0 {
		s.t.Fatalf("no %s in\n%s", name, s.doc)
	}
	begin = strings.LastIndex(s.doc[:at], "<interface")
	return begin, at + strings.Index(s.doc[at:], "</interface>") + len("</interface>")
}

func (s *story) setMAC(nic, to string) {
	s.t.Helper()
	begin, end := s.nic(nic)
	mac := regexp.MustCompile(`<mac address='.*?'`).ReplaceAllString(s.doc[begin:end], "<mac address='"+to+"'")
	s.doc = s.doc[:begin] + mac + s.doc[end:]
}

// define sends the document through a rule.
func (s *story) define(change ...func(*domainxml.Rule)) {
	s.t.Helper()
	rule := domainxml.DefaultRule()
	for _, c := range change {
		c(&rule)
	}
	r := domainxml.Rewriter{
		Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}},
		ReadInitrd: func(path string, _ int) ([]byte, error) {
			if path != "/script" {
				return nil, os.ErrNotExist
			}
			return []byte("#!ipxe"), nil
		},
		ReadDisk: func(domainxml.DiskSource, int) ([]byte, error) { return append(make([]byte, 510), 0x55, 0xaa), nil },
	}
	s.take(r.Domain([]byte(s.doc), domainxml.Inactive))
}

// mark puts back as virt-netboot revert does.
func (s *story) mark() {
	s.t.Helper()
	s.take(s.document().Revert(true, domainxml.Inactive))
}

// apply takes the mark away, under a policy that does nothing else.
func (s *story) apply() {
	s.t.Helper()
	s.take(domainxml.Rewriter{}.Rewrite(s.document().Applied(), domainxml.Inactive))
}

func (s *story) document() *domainxml.Document { return parsed(s.t, s.doc) }

func parsed(t *testing.T, doc string) *domainxml.Document {
	t.Helper()
	d, err := domainxml.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return d
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

func keepFilter(r *domainxml.Rule) { r.Filterref.Action = domainxml.FilterrefKeep }
func dropKernel(r *domainxml.Rule) { r.Kernel = domainxml.KernelDrop }

func replaceFilter(filter string) func(*domainxml.Rule) {
	return func(r *domainxml.Rule) {
		r.Filterref = domainxml.Filterref{Action: domainxml.FilterrefReplace, Filter: filter}
	}
}

func bootAll(r *domainxml.Rule)    { r.BootNIC.All = true }
func bootSecond(r *domainxml.Rule) { r.BootNIC.Bridge = "nic2" }
func whileBlank(r *domainxml.Rule) { r.OnlyIf = domainxml.OnlyIfBlankDisk }
