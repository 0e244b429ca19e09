package novarelease

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestInstalled(t *testing.T) {
	for name, c := range map[string]struct {
		dirs []string
		want string
	}{
		"none":            {nil, ""},
		"Debian's":        {[]string{"usr/lib/python3/dist-packages/nova-26.2.2.egg-info"}, "26.2.2"},
		"RDO's":           {[]string{"usr/lib/python3.9/site-packages/nova-31.0.1.dist-info"}, "31.0.1"},
		"Kolla's":         {[]string{"var/lib/kolla/venv/lib/python3.12/site-packages/nova-31.1.0.dist-info"}, "31.1.0"},
		"a development's": {[]string{"usr/local/lib/python3.12/dist-packages/nova-31.0.1.dev12.dist-info"}, "31.0.1"},
		"Essex":           {[]string{"usr/lib/python2.7/dist-packages/nova-2012.1.egg-info"}, "2012.1"},
		"two":             {[]string{"usr/lib/python3/dist-packages/nova-26.2.2.egg-info", "usr/local/lib/python3.12/dist-packages/nova-31.0.0.dist-info"}, "31.0.0"},
		"another's":       {[]string{"usr/lib/python3/dist-packages/nova_powervm-1.0.egg-info", "usr/lib/python3/dist-packages/nova-lxd.egg-info"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, dir := range c.dirs {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if got := Installed(root); got != c.want {
				t.Errorf("Nova %q, want %q", got, c.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	rules := []domainxml.Rule{
		{Name: "specs", Match: domainxml.Match{ExtraSpecs: map[string]string{"netboot:enabled": "true"}}},
		{Name: "flavor", Match: domainxml.Match{Flavor: []string{"m1.*"}}},
		{Name: "image", Match: domainxml.Match{ImageProperties: map[string]string{"os_distro": "debian"}}},
	}
	old := []string{
		`rule "specs" matches no domain of this node's Nova 26.2.2, which writes no extra_specs into them; Nova 2025.1 (31.0.0) and later do`,
		`rule "image" matches no domain of this node's Nova 26.2.2, which writes no image_properties into them; Nova 2025.1 (31.0.0) and later do`,
	}
	for version, want := range map[string][]string{"26.2.2": old, "31.0.0": nil, "32.0.0": nil, "": nil} {
		if diff := cmp.Diff(want, Warnings(rules, version)); diff != "" {
			t.Errorf("Nova %s (-want +got):\n%s", version, diff)
		}
	}
	for version, want := range map[string][]string{"26.2.2": nil, "31.0.0": nil, "": {
		`rule "specs" matches by extra_specs, which Nova writes into domains from 2025.1 (31.0.0) on; the version of this node's Nova is not known`,
		`rule "image" matches by image_properties, which Nova writes into domains from 2025.1 (31.0.0) on; the version of this node's Nova is not known`,
	}} {
		if diff := cmp.Diff(want, Untold(rules, version)); diff != "" {
			t.Errorf("Nova %q (-want +got):\n%s", version, diff)
		}
	}
	if got := Warnings(rules, "2012.1"); len(got) != 2 {
		t.Errorf("Nova 2012.1: %q", got)
	}
}
