package cli

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/doctor/osloconf"
	"github.com/virt-netboot/virt-netboot/internal/hook"
	"github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

// TestExamples: the services can read what the examples set, and it names the files and
// sockets of the package and the agent.
func TestExamples(t *testing.T) {
	const shipped = "/usr/share/virt-netboot/"
	rule := active(packaged(t, "dhcp/openstack/neutron-dnsmasq.conf"))

	t.Run("Kolla-Ansible", func(t *testing.T) {
		leadsToGateway(t, packaged(t, "examples/kolla-ansible/config/nova/nova-compute.conf"))
		lines := active(packaged(t, "examples/kolla-ansible/config/neutron/dnsmasq.conf"))
		if got := lines[len(lines)-len(rule):]; !slices.Equal(got, rule) {
			t.Errorf("dnsmasq gets %q, want %q", got, rule)
		}
		var globals map[string]string
		if err := yaml.Unmarshal([]byte(packaged(t, "examples/kolla-ansible/globals.yml")), &globals); err != nil {
			t.Fatal(err)
		}
		const program = "/usr/libexec/virt-netboot/qemu-hook"
		packages(t, hook.DefaultProgram)
		packages(t, program)
		if !strings.Contains(packaged(t, "qemu-hook"), "program="+program+"\n") {
			t.Errorf("the packaged script does not run %s", program)
		}
		var want []string
		for _, path := range []string{hook.DefaultDir, hook.DefaultProgram, filepath.Dir(program), filepath.Dir(config.DefaultPath)} {
			want = append(want, path+":"+path+":ro")
		}
		var got []string
		for _, m := range regexp.MustCompile(`'([^']+)'`).FindAllStringSubmatch(globals["nova_libvirt_extra_volumes"], -1) {
			got = append(got, m[1])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("volumes of libvirt's container: -want +got:\n%s", diff)
		}
	})
	t.Run("DevStack", func(t *testing.T) {
		sections := phases(packaged(t, "examples/devstack/local.conf"))
		leadsToGateway(t, sections["post-config|$NOVA_CPU_CONF"])
		file, ok := strings.CutPrefix(option(t, sections["post-config|$Q_DHCP_CONF_FILE"], "DEFAULT.dnsmasq_config_file"), shipped)
		if !ok || !slices.Equal(active(packaged(t, file)), rule) {
			t.Errorf("dnsmasq reads %s, which is not the packaged one", file)
		}
	})
}

func packaged(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// packages fails the test unless the package brings a program of the hook's.
func packages(t *testing.T, program string) {
	t.Helper()
	var pkg struct{ Contents []struct{ Src, Dst string } }
	if err := yaml.Unmarshal([]byte(packaged(t, "nfpm.yaml")), &pkg); err != nil {
		t.Fatal(err)
	}
	for _, c := range pkg.Contents {
		if path.Base(c.Src) == "qemu-hook" && c.Dst == program {
			return
		}
	}
	t.Errorf("the package does not bring %s", program)
}

func leadsToGateway(t *testing.T, conf string) {
	t.Helper()
	want := "qemu+unix:///system?socket=" + config.Default().Gateway.Listen
	if uri := option(t, conf, "libvirt.connection_uri"); uri != want {
		t.Errorf("Nova connects to %q, want %q", uri, want)
	}
}

func option(t *testing.T, conf, name string) string {
	t.Helper()
	var c osloconf.Config
	if err := c.Add("the example", conf); err != nil {
		t.Fatal(err)
	}
	v, _, err := c.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return v.Text
}

// active are the lines of a file that are not comments.
func active(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// phases are the sections of DevStack's local.conf, by [[PHASE|FILE]].
func phases(text string) map[string]string {
	found := map[string]string{}
	heads := regexp.MustCompile(`(?m)^\[\[(.+\|.+)\]\]$`).FindAllStringSubmatchIndex(text, -1)
	for i, head := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		found[text[head[2]:head[3]]] = text[head[1]:end]
	}
	return found
}

// TestExamplesReplaceFilter: the examples' rules replace filters by the shipped one.
// Another may need variables that Nova does not set, and no guest starts with one that
// lacks them.
func TestExamplesReplaceFilter(t *testing.T) {
	rule := regexp.MustCompile(`filterref['"]?(?::| *=>) *['"]?([\w:-]+)`) // in YAML and Puppet
	var found []string
	for _, dir := range []string{"ansible", "examples", "puppet"} {
		err := filepath.WalkDir(filepath.Join("../../packaging", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name := strings.TrimPrefix(path, "../../packaging/")
			for _, m := range rule.FindAllStringSubmatch(packaged(t, name), -1) {
				found = append(found, name+" "+m[1])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"ansible/site.yml replace:" + nwfilter.Relaxed,
		"puppet/virt_netboot/examples/compute.pp replace:" + nwfilter.Relaxed,
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("-want +found:\n%s", diff)
	}
}
