package domainxml_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

// TestRules runs the documents of testdata, one behaviour a file, in a folder
// named by the rule. A file has these parts:
//
//	rule     keys of the rule that differ from the default
//	mode     "observe" or, by default, enforce
//	state    "active" where the guest runs
//	reverted the UUID of a domain that is marked where it is defined
//	once     the mark in the domain's definition: "pending" or "done"
//	disk     what is on the root disk: "blank", "mbr", "gpt", "gpt-4096", "short";
//	         anything else is the reason why it cannot be read
//	initrd   what the initrd begins with
//	filters  the nwfilters that libvirt has; without it, all
//	in.xml   the document; device.xml instead for one device of that domain
//	out.xml  what must come out
//	says     the changes and warnings, a line each
//
// go test ./domainxml -update writes the last two.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in testdata: %v", err)
	}
	update := flag.Lookup("update").Value.String() == "true"
	for _, file := range files {
		if strings.HasPrefix(file, "testdata/undo/") {
			continue // TestUndo
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := newBehaviour(t, archive)
			got := c.run()
			if update {
				c.set("out.xml", string(got.Output))
				c.set("says", says(got))
				writeFile(t, file, txtar.Format(archive))
				return
			}
			if diff := cmp.Diff(c.get("out.xml"), string(got.Output)); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.get("says"), says(got)); diff != "" {
				t.Errorf("changes and warnings (-want +got):\n%s", diff)
			}
			if got.Changed() == (string(got.Output) == c.input()) {
				t.Errorf("Changed() = %v", got.Changed())
			}
			if got.Observed != (c.word("mode") == "observe") {
				t.Errorf("Observed is %v", got.Observed)
			}
			if got.Reverted != (c.word("reverted") != "") || got.Reverted && got.Rule != nil {
				t.Errorf("Reverted is %v, the rule %v", got.Reverted, got.Rule)
			}
			if strings.Contains(name, "new-device") {
				return // its number is moved whenever it is attached
			}
			again := c.rewrite(got.Output)
			if diff := cmp.Diff(string(got.Output), string(again.Output)); diff != "" || again.Changed() {
				t.Errorf("a second rewrite changed it again (-first +second):\n%s%v", diff, again.Changes)
			}
		})
	}
}

type behaviour struct {
	t       *testing.T
	archive *txtar.Archive
	rule    domainxml.Rule
}

func newBehaviour(t *testing.T, archive *txtar.Archive) behaviour {
	c := behaviour{t: t, archive: archive, rule: domainxml.DefaultRule()}
	if c.get("rule") == "" {
		return c
	}
	yaml := "rules:\n- name: behaviour\n  " + strings.ReplaceAll(c.get("rule"), "\n", "\n  ")
	parsed, err := config.Parse("rule", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	c.rule = parsed.Rules[0]
	return c
}

func (c behaviour) get(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (c behaviour) word(name string) string { return strings.TrimSpace(c.get(name)) }

func (c behaviour) set(name, data string) {
	for i, f := range c.archive.Files {
		if f.Name == name {
			c.archive.Files[i].Data = []byte(data)
			return
		}
	}
	c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(data)})
}

func (c behaviour) input() string {
	if device := c.get("device.xml"); device != "" {
		return device
	}
	return c.get("in.xml")
}

func (c behaviour) run() domainxml.Result { return c.rewrite([]byte(c.input())) }

func (c behaviour) rewrite(doc []byte) domainxml.Result {
	c.t.Helper()
	r := domainxml.Rewriter{
		Policy:     domainxml.Policy{Rules: []domainxml.Rule{c.rule}, Observe: c.word("mode") == "observe"},
		ReadInitrd: c.readInitrd,
		ReadDisk:   c.readDisk,
		Reverted:   func(uuid string) bool { return uuid == c.word("reverted") },
		NWFilter:   c.nwfilter,
		Once:       func(string) domainxml.Once { return domainxml.Once(c.word("once")) },
	}
	if c.get("device.xml") != "" {
		return c.must(r.Device(doc, []byte(c.get("in.xml"))))
	}
	state := domainxml.Inactive
	if c.word("state") == "active" {
		state = domainxml.Active
	}
	return c.must(r.Domain(doc, state))
}

func (c behaviour) must(res domainxml.Result, err error) domainxml.Result {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

func (c behaviour) readInitrd(path string, n int) ([]byte, error) {
	head := c.get("initrd")
	if head == "" {
		return nil, os.ErrNotExist
	}
	return []byte(head[:min(n, len(head))]), nil
}

func (c behaviour) readDisk(disk domainxml.DiskSource, n int) ([]byte, error) {
	if disk.Path != "/var/lib/nova/root" || disk.Format != "qcow2" {
		c.t.Errorf("reads %+v", disk)
	}
	head := make([]byte, n)
	switch is := c.word("disk"); is {
	case "blank":
	case "mbr":
		copy(head[510:], "\x55\xaa")
	case "gpt":
		copy(head[512:], "EFI PART")
	case "gpt-4096":
		copy(head[4096:], "EFI PART")
	case "short":
		head = head[:511]
	default:
		return nil, errors.New(is)
	}
	return head, nil
}

// nwfilter reads the section filters, where it is: a name and its variables a line.
func (c behaviour) nwfilter(name string) domainxml.NWFilter {
	known := c.get("filters")
	for line := range strings.Lines(known) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == name {
			return domainxml.NWFilter{State: domainxml.NWFilterDefined, Variables: words[1:]}
		}
	}
	switch {
	case known == "":
		return domainxml.NWFilter{State: domainxml.NWFilterDefined}
	case strings.TrimSpace(known) == "libvirt has not answered":
		return domainxml.NWFilter{}
	}
	return domainxml.NWFilter{State: domainxml.NWFilterMissing}
}

func says(r domainxml.Result) string {
	var b strings.Builder
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "%s: %s\n", c.Kind, c)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning %s: %s\n", w.Kind, w)
	}
	return b.String()
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write what comes out into testdata")
	os.Exit(m.Run())
}

func TestUnreadable(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"empty", "", "line 1, column 1: no element in the document"},
		{"binary", "\x7fELF\x00", "line 1, column 1: text outside the root element"},
		{"not UTF-8", "<domain>\n\xff</domain>", "line 2, column 1: not UTF-8"},
		{"cut off", "<domain>\n<os>", "line 2, column 5: the document ends inside <os>, which line 2 opens"},
		{"crossed", "<domain>\n <os></domain>", "line 2, column 6: </domain> closes nothing that is open"},
		{"another root", "<network/>", "line 1, column 1: the root element is <network>, not <domain>"},
		{"two roots", "<domain/><domain/>", "line 1, column 10: a second root element <domain>"},
		{"entity", "<domain><name>&nova;</name></domain>", "line 1, column 15: an & that begins no known reference"},
		{"doctype", "<!DOCTYPE domain []><domain/>", "line 1, column 1: document type declarations are not read"},
		{"encoding", "<?xml version='1.0' encoding='UTF-16'?><domain/>", "line 1, column 1: encoding UTF-16 is not read; convert the document to UTF-8"},
		{"Latin-1 beyond ASCII", "<?xml version='1.0' encoding='ISO-8859-1'?><domain>é</domain>", "line 1, column 1: encoding ISO-8859-1 is not read; convert the document to UTF-8"},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><domain>\xe9</domain>", "line 1, column 1: encoding ISO-8859-1 is not read; convert the document to UTF-8"},
		{"declared as UTF-8", "<?xml version='1.0' encoding='UTF-8'?><domain>\xe9</domain>", "line 1, column 47: not UTF-8"},
		{"UTF-16, little end", "\xff\xfe<\x00d\x00/\x00>\x00", "line 1, column 1: encoding UTF-16 is not read; convert the document to UTF-8"},
		{"UTF-16, big end", "\xfe\xff\x00<\x00d\x00/\x00>", "line 1, column 1: encoding UTF-16 is not read; convert the document to UTF-8"},
		{"UTF-16, little end, no mark", "<\x00d\x00/\x00>\x00", "line 1, column 1: encoding UTF-16 is not read; convert the document to UTF-8"},
		{"UTF-16, big end, no mark", "\x00<\x00d\x00/\x00>", "line 1, column 1: encoding UTF-16 is not read; convert the document to UTF-8"},
		{"attribute twice", "<domain type='kvm' type='lxc'/>", "line 1, column 20: attribute type of <domain> is there twice"},
		{"one of many attributes twice", "<domain a1='' a2='' a3='' a4='' a5='' a6='' a7='' a8='' a9='' b1='' b2='' b3='' b4='' b5='' b6='' b7='' b8='' a3=''/>", "line 1, column 111: attribute a3 of <domain> is there twice"},
		{"a late one of many attributes twice", "<domain a1='' a2='' a3='' a4='' a5='' a6='' a7='' a8='' a9='' b1='' b2='' b3='' b4='' b5='' b6='' b7='' b8='' b8=''/>", "line 1, column 111: attribute b8 of <domain> is there twice"},
		{"no quotes", "<domain type=kvm/>", "line 1, column 14: the value of attribute type of <domain> is not in quotes"},
		{"control character", "<domain>\x01</domain>", "line 1, column 9: a character that XML does not allow"},
		{"comment", "<domain><!-- a -- b --></domain>", "line 1, column 16: -- inside a comment"},
		{"two os", "<domain>\n<os/>\n<os/></domain>", "line 3, column 1: a second <os>"},
		{"prefix on an attribute", "<domain xmlns:x='a'><metadata><a x:b=''/></metadata><os><boot x:dev='network'/></os></domain>", "line 1, column 70: attribute x:dev has a prefix"},
		{"instruction without a space", "<?a!?><domain/>", "line 1, column 1: no space behind the name of a processing instruction"},
		{"declaration without a version", "<?xml encoding='UTF-8'?><domain/>", "line 1, column 1: not an XML declaration"},
		{"large", "<domain>" + strings.Repeat("<a b=''/>", 50_000) + "</domain>", "line 1, column 450006: more than 100000 elements and attributes"},
		{"deep", strings.Repeat("<a>", 257), "line 1, column 769: elements nested more than 256 deep"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
			res, err := r.Domain([]byte(test.doc), domainxml.Inactive)
			var syntax *domainxml.SyntaxError
			if !errors.As(err, &syntax) || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if string(res.Output) != test.doc || res.Changed() {
				t.Errorf("output %q, want the document unchanged", res.Output)
			}
		})
	}
}

// TestTooLargeToRevert: a document whose undo record would make it too large to be read
// again stays as it is.
func TestTooLargeToRevert(t *testing.T) {
	r := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}
	for _, disks := range []int{2_000, 15_000} {
		doc := many()["ordered disks"](disks)
		res, err := r.Domain([]byte(doc), domainxml.Inactive)
		if err != nil {
			if string(res.Output) != doc || !strings.Contains(err.Error(), "rewritten: line 1") {
				t.Errorf("%d disks: %v", disks, err)
			}
			continue
		}
		d, err := domainxml.Parse(res.Output)
		if err != nil {
			t.Fatalf("%d disks: %v", disks, err)
		}
		if back, err := d.Revert(true, domainxml.Inactive); err != nil || !back.Changed() {
			t.Errorf("%d disks: the revert: %v", disks, err)
		}
	}
	if _, err := r.Domain([]byte(many()["ordered disks"](2_000)), domainxml.Inactive); err != nil {
		t.Error(err)
	}
}
