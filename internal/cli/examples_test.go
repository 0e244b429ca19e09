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
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"mvdan.cc/sh/v3/syntax"

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

// TestExampleOfTenant: the tenant's server by user data has the packaged dnsmasq's rules.
func TestExampleOfTenant(t *testing.T) {
	text := packaged(t, "examples/tenant/cloud-config.yaml")
	if !strings.HasPrefix(text, "#cloud-config\n") {
		t.Error("cloud-init would not take it for its own")
	}
	var config struct {
		WriteFiles []struct{ Path, Content string } `yaml:"write_files"`
	}
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range config.WriteFiles {
		files[f.Path] = f.Content
	}
	const settings, script = "/etc/netboot/settings", "/usr/local/sbin/netboot-configure"
	for _, path := range []string{settings, script} {
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(files[path]), path); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(active(files[settings]), "ADDRESS=10.77.0.1/24") {
		t.Errorf("the settings are\n%s", files[settings])
	}
	lines := active(strings.ReplaceAll(files[script], "$address", "10.77.0.1"))
	marks := regexp.MustCompile(`(?m)^#(dhcp-)`) // before what is for firmware
	for _, rule := range active(marks.ReplaceAllString(packaged(t, "dhcp/tenant/dnsmasq.conf"), "$1")) {
		kind, _, _ := strings.Cut(rule, "=")
		if kind != "dhcp-range" && kind != "dhcp-ignore" && strings.HasPrefix(kind, "dhcp-") && !slices.Contains(lines, rule) {
			t.Errorf("it lacks %s", rule)
		}
	}
}

// TestExamplesOfPorts: Heat and Terraform make the ports that the commands of
// docs/which-way.md make. Whether they know the properties is not asked here.
func TestExamplesOfPorts(t *testing.T) {
	type port struct {
		Options map[string]string // by name; the value is a parameter's name
		Open    bool              // without port security and security groups
	}
	want := map[string]map[string]port{
		"boot-file": {"boot": {Options: map[string]string{"bootfile-name": "script", "server-ip-address": "server"}}},
		"tenant":    {"server": {Open: true}, "boot": {Open: true}},
	}
	heat := func(dir string) map[string]port {
		var stack struct {
			Resources map[string]struct {
				Type       string
				Properties struct {
					PortSecurity   *bool     `yaml:"port_security_enabled"`
					SecurityGroups *[]string `yaml:"security_groups"`
					ValueSpecs     struct {
						Options []struct {
							Name  string `yaml:"opt_name"`
							Value struct {
								Param string `yaml:"get_param"`
							} `yaml:"opt_value"`
						} `yaml:"extra_dhcp_opts"`
					} `yaml:"value_specs"`
				}
			}
		}
		if err := yaml.Unmarshal([]byte(packaged(t, "examples/"+dir+"/heat.yaml")), &stack); err != nil {
			t.Fatal(err)
		}
		ports := map[string]port{}
		for name, r := range stack.Resources {
			if r.Type != "OS::Neutron::Port" {
				continue
			}
			var p port
			for _, o := range r.Properties.ValueSpecs.Options {
				if p.Options == nil {
					p.Options = map[string]string{}
				}
				p.Options[o.Name] = o.Value.Param
			}
			p.Open = r.Properties.PortSecurity != nil && !*r.Properties.PortSecurity &&
				r.Properties.SecurityGroups != nil && len(*r.Properties.SecurityGroups) == 0
			ports[strings.TrimSuffix(name, "_port")] = p
		}
		return ports
	}
	terraform := func(dir string) map[string]port {
		var config struct {
			Variables []struct {
				Name string   `hcl:",label"`
				Body hcl.Body `hcl:",remain"`
			} `hcl:"variable,block"`
			Resources []struct {
				Type string   `hcl:",label"`
				Name string   `hcl:",label"`
				Body hcl.Body `hcl:",remain"`
			} `hcl:"resource,block"`
		}
		file, failed := hclparse.NewParser().ParseHCL([]byte(packaged(t, "examples/"+dir+"/main.tf")), dir)
		if failed.HasErrors() {
			t.Fatal(failed)
		}
		if err := gohcl.DecodeBody(file.Body, nil, &config); err.HasErrors() {
			t.Fatal(err)
		}
		ports := map[string]port{}
		for _, r := range config.Resources {
			if r.Type != "openstack_networking_port_v2" {
				continue
			}
			var body struct {
				PortSecurity *bool `hcl:"port_security_enabled"`
				NoGroups     bool  `hcl:"no_security_groups,optional"`
				Options      []struct {
					Name  string         `hcl:"name"`
					Value hcl.Expression `hcl:"value"`
				} `hcl:"extra_dhcp_option,block"`
				Rest hcl.Body `hcl:",remain"`
			}
			if err := gohcl.DecodeBody(r.Body, nil, &body); err.HasErrors() {
				t.Fatal(err)
			}
			var p port
			for _, o := range body.Options {
				if p.Options == nil {
					p.Options = map[string]string{}
				}
				variable := o.Value.Variables()[0]
				p.Options[o.Name] = variable[1].(hcl.TraverseAttr).Name
			}
			p.Open = body.NoGroups && body.PortSecurity != nil && !*body.PortSecurity
			ports[r.Name] = p
		}
		return ports
	}
	for dir, want := range want {
		for tool, read := range map[string]func(string) map[string]port{"Heat": heat, "Terraform": terraform} {
			if diff := cmp.Diff(want, read(dir)); diff != "" {
				t.Errorf("%s, %s: -want +got:\n%s", dir, tool, diff)
			}
		}
	}
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
