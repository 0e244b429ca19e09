package domainxml_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRestoreFilterref has a filter a on nic1 and b on nic2 rewritten and edited.
// What comes back is what was there before the rewrite, or what somebody has set
// since.
func TestRestoreFilterref(t *testing.T) {
	type step = func(*story)
	define := func(change ...func(*domainxml.Rule)) step { return func(s *story) { s.define(change...) } }
	set := func(nic string, filters ...string) step { return func(s *story) { s.setFilters(nic, filters...) } }
	mac := func(nic, to string) step { return func(s *story) { s.setMAC(nic, to) } }
	unplug := func(s *story) { s.unplug("nic1") }
	const (
		first, second, third = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
		back                 = "filterref put back on interface "
		backOnBoth           = back + first + "; " + back + second
	)
	for name, c := range map[string]struct {
		steps      []step
		nic1, nic2 string // "-" for an interface that is gone
		says       string
	}{
		"removed":   {[]step{define()}, "a", "b", backOnBoth},
		"replaced":  {[]step{define(replaceFilter("r"))}, "a", "b", backOnBoth},
		"unchanged": {nil, "a", "b", ""},
		"another MAC address, and defined again": {
			[]step{define(), mac("nic1", third), define()}, "a", "b", back + third + "; " + back + second,
		},
		"other MAC addresses, as of a clone": {
			[]step{define(), mac("nic1", third), mac("nic2", "52:54:00:00:00:04")}, "a", "b", back + third + "; " + back + "52:54:00:00:00:04",
		},
		"MAC addresses exchanged": {
			[]step{define(), mac("nic1", second), mac("nic2", first)}, "b", "a", back + second + "; " + back + first,
		},
		"another MAC address and another filter": {
			[]step{define(), mac("nic1", third), set("nic1", "c"), define()}, "c", "b", back + third + "; " + back + second,
		},
		"the MAC address only later": {
			[]step{mac("nic1", ""), mac("nic2", ""), define(), mac("nic1", first), mac("nic2", second), set("nic2", "c"), define()},
			"a", "c", backOnBoth,
		},
		"without MAC addresses": {[]step{mac("nic1", ""), mac("nic2", ""), define()}, "a", "b", back + "#1; " + back + "#2"},
		"without MAC addresses, one set since": {
			[]step{mac("nic1", ""), mac("nic2", ""), define(), set("nic2", "c"), define()}, "a", "c", back + "#1; " + back + "#2",
		},
		"one MAC address for both": {[]step{mac("nic2", first), define()}, "a", "b", back + first + "; " + back + first},
		"one MAC address for both, one set since": {
			[]step{mac("nic2", first), define(), set("nic2", "c"), define()}, "a", "c", back + first + "; " + back + first,
		},
		"unplugged": {
			[]step{define(), unplug}, "-", "b", "filterref a not put back on interface " + first + ", which the domain has no more; " + back + second,
		},
		"unplugged without a MAC address": {
			[]step{mac("nic1", ""), mac("nic2", ""), define(), mac("nic1", first), mac("nic2", second), set("nic2"), unplug}, "-", "a",
			"filterref b not put back on interface #2, which the domain has no more; " + back + second,
		},
		"two of one interface": {[]step{set("nic1", "a", "c"), define()}, "a, c", "b", backOnBoth},
		"two of one interface, replaced": {
			[]step{set("nic1", "a", "c"), define(replaceFilter("r"))}, "a, c", "b", backOnBoth,
		},
		"two of one interface, the first as it is wanted": {
			[]step{set("nic1", "r", "c"), define(replaceFilter("r"))}, "r, c", "b", backOnBoth,
		},
		"two of one interface, one of which libvirt has kept": {
			[]step{set("nic1", "a", "c"), define(replaceFilter("r")), set("nic1", "r")}, "a, c", "b", backOnBoth,
		},
		"two of one interface since": {[]step{define(), set("nic1", "c", "d"), define()}, "c, d", "b", backOnBoth},
		"one of one interface since": {
			[]step{set("nic1", "a", "c"), define(), set("nic1", "d"), define()}, "d", "b", backOnBoth,
		},
		"one instead of two replaced": {
			[]step{define(replaceFilter("r")), set("nic1", "r", "r")}, "a", "b", backOnBoth,
		},
		"another rule removes what the first put there": {
			[]step{define(replaceFilter("r")), define()}, "a", "b", backOnBoth,
		},
		"another rule replaces what the first put there": {
			[]step{define(replaceFilter("r")), define(replaceFilter("s"))}, "a", "b", backOnBoth,
		},
		"a third rule": {
			[]step{define(replaceFilter("r")), define(replaceFilter("s")), define()}, "a", "b", backOnBoth,
		},
		"set since and replaced": {
			[]step{define(replaceFilter("r")), set("nic1", "c"), define(replaceFilter("r"))}, "c", "b", backOnBoth,
		},
		"set since, under a rule that keeps it": {
			[]step{define(), set("nic1", "c"), define(keepFilter)}, "c", "b",
			"filterref a not put back on interface " + first + ", as somebody has set c since; " + back + second,
		},
		"set back by somebody": {[]step{define(), set("nic1", "a"), define(keepFilter)}, "a", "b", back + second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, "hd")
			s.setFilters("nic1", "a")
			s.setFilters("nic2", "b")
			for _, step := range c.steps {
				step(s)
			}
			before := s.doc
			s.revert()
			if c.nic1 != "-" {
				if got := s.filters("nic1"); got != c.nic1 {
					t.Errorf("nic1 has filters %q, want %q", got, c.nic1)
				}
			}
			if got := s.filters("nic2"); got != c.nic2 {
				t.Errorf("nic2 has filters %q, want %q", got, c.nic2)
			}
			filters := slices.DeleteFunc(s.says, func(line string) bool { return !strings.HasPrefix(line, "filterref") })
			if diff := cmp.Diff(c.says, strings.Join(filters, "; ")); diff != "" {
				t.Errorf("says (-want +got):\n%s", diff)
			}
			if t.Failed() {
				t.Logf("from\n%s", before)
			}
		})
	}
}

// TestRevertKeepsFilterref keeps the filter of an interface that is unplugged, under
// the mark and after it, until the interface is there again.
func TestRevertKeepsFilterref(t *testing.T) {
	s := newStory(t, "hd")
	s.setFilters("nic1", "a")
	s.setFilters("nic2", "b")
	whole := s.doc
	s.define()
	plugged := s.doc
	s.unplug("nic1")
	s.mark()
	const kept = `<netboot:filterref number="0" name="52:54:00:00:00:01"><filterref filter='a'/></netboot:filterref>`
	if !strings.Contains(s.doc, `reverted="yes"`) || !strings.Contains(s.doc, kept) {
		t.Fatalf("the mark or the filter is not in\n%s", s.doc)
	}
	once := s.doc
	s.mark()
	if len(s.says) > 0 || s.doc != once {
		t.Errorf("a second revert says %q and leaves\n%s", s.says, s.doc)
	}
	s.apply()
	if strings.Contains(s.doc, "reverted") || !strings.Contains(s.doc, kept) {
		t.Errorf("after apply the mark is in it or the filter is not:\n%s", s.doc)
	}
	if diff := cmp.Diff([]string{"not marked as reverted any more"}, s.says); diff != "" {
		t.Errorf("apply says (-want +got):\n%s", diff)
	}
	s.define()
	if !strings.Contains(s.doc, kept) {
		t.Errorf("after another rewrite the filter is not in\n%s", s.doc)
	}
	s.mark()
	begin, end := strings.Index(plugged, "    <interface"), strings.Index(plugged, "    <interface type='bridge'>\n      <source bridge='nic2'")
	at := strings.Index(s.doc, "    <interface")
	s.doc = s.doc[:at] + plugged[begin:end] + s.doc[at:]
	s.mark()
	if diff := cmp.Diff([]string{"filterref put back on interface 52:54:00:00:00:01"}, s.says); diff != "" {
		t.Errorf("revert of the interface that is there again says (-want +got):\n%s", diff)
	}
	s.apply()
	if diff := cmp.Diff(whole, s.doc); diff != "" {
		t.Errorf("in the end (-original +now):\n%s", diff)
	}
}
