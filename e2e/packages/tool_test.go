//go:build packages

package packages

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// wish is what an operator says of a node, whatever the tool that makes it so.
type wish struct {
	state   string
	mode    string
	config  map[string]any
	revert  bool
	dnsmasq string // whose
	// whether it ignores firmware, too
	firmware bool
}

// tool is one that makes wishes so.
type tool struct {
	// shipped is the folder in the package that the tool reads.
	shipped string
	// own is the folder here with what an operator has besides.
	own string
	// values are a wish in the tool's words.
	values func(wish) map[string]any
	// wrong are values that it must refuse, with what it says of each.
	wrong []mistake
	// run is the command that makes it so, or with dry only says what it would do.
	run func(dry bool) []string
	// changes counts what the command says that it changed, or would change.
	changes func(dry bool, out string, err error) (int, error)
}

// mistake is a value that a tool must refuse.
type mistake struct {
	name, value string
	says        string // of it
}

const deployFolder = "/srv/deploy"

func puppet() tool {
	return tool{
		shipped: "puppet",
		own:     "testdata/puppet",
		values: func(w wish) map[string]any {
			return map[string]any{
				"virt_netboot::ensure":            w.state,
				"virt_netboot::mode":              w.mode,
				"virt_netboot::config":            w.config,
				"virt_netboot::revert_domains":    w.revert,
				"virt_netboot::dnsmasq::ensure":   w.state,
				"virt_netboot::dnsmasq::service":  w.dnsmasq,
				"virt_netboot::dnsmasq::firmware": w.firmware,
			}
		},
		wrong: []mistake{
			{"virt_netboot::package_ensure", "absent", "parameter 'package_ensure' expects a match for Pattern"},
			{"virt_netboot::package_ensure", "purged", "parameter 'package_ensure' expects a match for Pattern"},
			{"virt_netboot::dnsmasq::service", "foo", "parameter 'service' expects a match for Enum['neutron', 'nova']"},
		},
		run: func(dry bool) []string {
			args := []string{"puppet", "apply", "--color=false", "--detailed-exitcodes", "--hiera_config=" + deployFolder + "/hiera.yaml",
				"--modulepath=" + deployFolder + ":/usr/share/puppet/modules", deployFolder + "/site.pp"}
			if dry {
				args = append(args, "--noop")
			}
			return args
		},
		changes: func(dry bool, out string, err error) (int, error) {
			exit := (*exec.ExitError)(nil)
			switch {
			case dry:
				return strings.Count(out, "(noop)"), err
			case errors.As(err, &exit) && exit.ExitCode() == 2:
				return 1, nil
			}
			return 0, err
		},
	}
}

func ansible() tool {
	recap := regexp.MustCompile(`changed=(\d+)`)
	return tool{
		shipped: "ansible",
		own:     "testdata/ansible",
		values: func(w wish) map[string]any {
			config := w.config
			if config == nil {
				config = map[string]any{}
			}
			return map[string]any{
				"virt_netboot_state":            w.state,
				"virt_netboot_mode":             w.mode,
				"virt_netboot_config":           config,
				"virt_netboot_revert_domains":   w.revert,
				"virt_netboot_dnsmasq_service":  w.dnsmasq,
				"virt_netboot_dnsmasq_firmware": w.firmware,
			}
		},
		wrong: []mistake{
			{"virt_netboot_dnsmasq_service", "foo", "value of virt_netboot_dnsmasq_service must be one of: neutron, nova, got: foo"},
		},
		run: func(dry bool) []string {
			args := []string{"env", "ANSIBLE_CONFIG=" + deployFolder + "/ansible.cfg", "ansible-playbook", "--inventory=localhost,", "--connection=local",
				"--extra-vars=@" + deployFolder + "/wish.json", deployFolder + "/site.yml"}
			if dry {
				args = append(args, "--check", "--diff")
			}
			return args
		},
		changes: func(_ bool, out string, err error) (int, error) {
			if err != nil {
				return 0, err
			}
			m := recap.FindStringSubmatch(out)
			if m == nil {
				return 0, fmt.Errorf("no recap in %q", out)
			}
			return strconv.Atoi(m[1])
		},
	}
}

// install gives a node what the tool reads: the package's part as it is shipped.
func (tl tool) install(t *testing.T, n *node, deb string) {
	t.Helper()
	files := t.TempDir()
	run(t, exec.Command("dpkg-deb", "--extract", deb, files))
	for _, dir := range []string{filepath.Join(files, "usr/share/virt-netboot", tl.shipped), tl.own} {
		run(t, exec.Command("cp", "-rT", dir, n.path(deployFolder)))
	}
}

// try makes a wish so, and returns how much it has changed.
func (tl tool) try(t *testing.T, n *node, w wish, dry bool) (int, error) {
	t.Helper()
	return tl.tryValues(t, n, tl.values(w), dry)
}

func (tl tool) tryValues(t *testing.T, n *node, all map[string]any, dry bool) (int, error) {
	t.Helper()
	values, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, deployFolder+"/wish.json", string(values))
	out, err := n.try(tl.run(dry)...)
	return tl.changes(dry, out, err)
}

// refuses fails the test where one of the tool's mistakes does not end the run.
func (tl tool) refuses(t *testing.T, n *node, w wish) {
	t.Helper()
	for _, m := range tl.wrong {
		values := tl.values(w)
		values[m.name] = m.value
		if _, err := tl.tryValues(t, n, values, true); err == nil || !strings.Contains(err.Error(), m.says) {
			t.Errorf("%s is %s: error %v, want one with %q", m.name, m.value, err, m.says)
		}
	}
}

// apply makes a wish so: a dry run announces it and changes nothing, and after the
// real one there is nothing more to do.
func (tl tool) apply(t *testing.T, n *node, w wish) {
	t.Helper()
	before := n.files(t)
	announced, err := tl.try(t, n, w, true)
	if err != nil {
		t.Fatalf("dry run: %v", err)
	}
	if announced == 0 {
		t.Error("the dry run announces nothing")
	}
	n.sameFiles(t, before)
	changed, err := tl.try(t, n, w, false)
	if err != nil {
		t.Fatal(err)
	}
	if changed == 0 {
		t.Error("the run changed nothing")
	}
	again, err := tl.try(t, n, w, false)
	if err != nil {
		t.Fatalf("second run: %v", err)
	}
	if again != 0 {
		out, _ := os.ReadFile(n.path(deployFolder + "/wish.json"))
		t.Errorf("the second run changed %d things; the wish was %s", again, out)
	}
}
