package explain

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestGuestOf(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want *Guest
	}{
		"none": {"", nil},
		"boot devices": {
			`<domain type='kvm'><os><type arch='x86_64'>hvm</type><boot dev='network'/><boot dev='hd'/></os></domain>`,
			&Guest{BootOrder: []string{"network", "hd"}, Firmware: "BIOS"},
		},
		"orders of devices, UEFI by pflash, rng": {
			`<domain type='kvm'><os><type arch='x86_64'>hvm</type><loader readonly='yes' type='pflash'>/OVMF.fd</loader></os><devices>
			<disk type='file' device='cdrom'><target dev='sda'/><boot order='3'/></disk>
			<disk type='file'><target dev='vda'/><boot order='2'/></disk>
			<interface type='bridge'><mac address='fa:16:3e:50:43:cd'/><boot order='1'/></interface>
			<interface type='bridge'><mac address='fa:16:3e:50:43:ce'/></interface>
			<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>`,
			&Guest{BootOrder: []string{"interface fa:16:3e:50:43:cd", "disk vda", "cdrom sda"}, Firmware: "UEFI", RNG: true},
		},
		"UEFI that libvirt chooses": {
			`<domain type='kvm'><os firmware='efi'><type arch='aarch64'>hvm</type></os></domain>`,
			&Guest{BootOrder: []string{}, Firmware: "UEFI"},
		},
		"s390x": {
			`<domain type='kvm'><os><type arch='s390x'>hvm</type></os></domain>`,
			&Guest{BootOrder: []string{}, Firmware: "other"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var doc []byte
			if c.doc != "" {
				doc = []byte(c.doc)
			}
			if diff := cmp.Diff(c.want, guestOf(doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOptionROM(t *testing.T) {
	for rom, want := range map[string]string{
		"": "default", "<rom enabled='no'/>": "off", "<rom bar='off'/>": "off",
		"<rom bar='on' file='/ipxe.rom'/>": "/ipxe.rom", "<rom file=''/>": "default",
	} {
		all, err := interfaces([]byte("<domain><devices><interface type='bridge'>" + rom + "</interface></devices></domain>"))
		if err != nil {
			t.Fatal(err)
		}
		if all[0].ROM != want {
			t.Errorf("%s: %q, want %q", rom, all[0].ROM, want)
		}
	}
}

func TestInBootOrder(t *testing.T) {
	disk := func(order string) string { return "<disk type='file'><target dev='vda'/>" + order + "</disk>" }
	nic := func(order string) string { return "<interface type='bridge'>" + order + "</interface>" }
	for name, c := range map[string]struct {
		os, devices string
		want        []bool
	}{
		"boot devices":             {"<boot dev='network'/><boot dev='hd'/>", disk("") + nic("") + nic(""), []bool{true, false}},
		"a disk in front":          {"<boot dev='hd'/><boot dev='network'/>", disk("") + nic("") + nic(""), []bool{false, false}},
		"the second interface":     {"", disk("<boot order='2'/>") + nic("") + nic("<boot order='1'/>"), []bool{false, true}},
		"both":                     {"", nic("<boot order='2'/>") + nic("<boot order='1'/>") + disk("<boot order='3'/>"), []bool{true, true}},
		"one of them behind disks": {"", nic("<boot order='3'/>") + nic("<boot order='1'/>") + disk("<boot order='2'/>"), []bool{false, true}},
		"none named":               {"", nic(""), []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := interfaces([]byte("<domain><os>" + c.os + "</os><devices>" + c.devices + "</devices></domain>"))
			if err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, i := range all {
				got = append(got, i.InBootOrder)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRulesBefore(t *testing.T) {
	rule := func(name string, m domainxml.Match) domainxml.Rule { return domainxml.Rule{Name: name, Match: m} }
	p := domainxml.Policy{Rules: []domainxml.Rule{
		rule("other bridge", domainxml.Match{Name: []string{"instance-*"}, Bridge: []string{"br1"}}),
		rule("other specs", domainxml.Match{ExtraSpecs: map[string]string{"boot": "net"}}),
		rule("its own", domainxml.Match{Name: []string{"instance-*"}}),
		rule("rest", domainxml.Match{}),
	}}
	d := domainxml.Domain{Name: "instance-1", Bridges: []string{"br2"}}
	want := []RuleBefore{{"other bridge", "bridge"}, {"other specs", "extra_specs"}}
	if diff := cmp.Diff(want, RulesBefore(p, d)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := RulesBefore(p, domainxml.Domain{Name: "vm"}); len(got) != 3 {
		t.Errorf("%v, want three and then the rest", got)
	}
}
