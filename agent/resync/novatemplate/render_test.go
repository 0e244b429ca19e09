package novatemplate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/resync/novatemplate"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestRendered holds each release's patched template against domainxml: what
// Cheetah renders from it must be what domainxml makes of the document that
// Cheetah renders from the stock template. Domains of other drivers, which
// domainxml does not touch, must differ from the stock by the boot line and the
// filterref alone.
func TestRendered(t *testing.T) {
	replace := domainxml.Filterref{Action: domainxml.FilterrefReplace, Filter: "virt-netboot-relaxed"}
	rules := map[string]func(*domainxml.Rule){
		"default":     func(*domainxml.Rule) {},
		"replace":     func(r *domainxml.Rule) { r.Filterref = replace },
		"keep filter": func(r *domainxml.Rule) { r.Filterref.Action = domainxml.FilterrefKeep },
		"keep boot":   func(r *domainxml.Rule) { r.Boot = domainxml.BootKeep },
	}
	run := cheetah(t)
	for _, file := range releases(t) {
		stock := readFile(t, file)
		cases := instances(stock)
		before := render(t, run, stock, cases)
		for name, change := range rules {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".xml.template")+"/"+name, func(t *testing.T) {
				rule := domainxml.DefaultRule()
				change(&rule)
				res, err := novatemplate.Edit([]byte(stock), rule)
				if err != nil {
					t.Fatal(err)
				}
				checkRendered(t, run, rule, cases, before, render(t, run, string(res.Output), cases))
			})
		}
	}
}

// render has Cheetah render the template with each set of variables.
func render(t *testing.T, run runJobs, template string, cases []variables) []string {
	t.Helper()
	return run(t, job{Template: template, Variables: cases})
}

// checkRendered holds what the patched template renders to against what the
// stock one does, which is before.
func checkRendered(t *testing.T, run runJobs, rule domainxml.Rule, cases []variables, before, after []string) {
	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	type pair struct{ want, got string }
	pairs, changed := map[pair]variables{}, 0
	for i, c := range cases {
		p := pair{got: after[i]}
		if d := c["type"]; d == "qemu" || d == "kvm" {
			p.want = rewrite(t, r, before[i])
		} else {
			p.want = editByHand(before[i], rule)
		}
		if p.want != before[i] {
			changed++
		}
		pairs[p] = c
	}
	distinct := slices.Collect(maps.Keys(pairs))
	var documents []string
	for _, p := range distinct {
		documents = append(documents, p.want, p.got)
	}
	canonical := run(t, job{Documents: documents})
	for i, p := range distinct {
		if canonical[2*i+1] == "" {
			t.Fatalf("%v: not well-formed:\n%s", pairs[p], p.got)
		}
		if diff := cmp.Diff(canonical[2*i], canonical[2*i+1]); diff != "" {
			t.Fatalf("%v (-stock through the rule +patched):\n%s", pairs[p], diff)
		}
	}
	t.Logf("%d sets of variables, %d of them with a change, %d different documents", len(cases), changed, len(pairs))
}

// rewrite is what domainxml makes of a document, without the record of what it
// took away: the stock file is kept instead.
func rewrite(t *testing.T, r domainxml.Rewriter, doc string) string {
	t.Helper()
	res, err := r.Domain([]byte(doc), domainxml.Inactive)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, doc)
	}
	return regexp.MustCompile(`(?s)\s*<metadata>.*?</metadata>`).ReplaceAllString(string(res.Output), "")
}

// editByHand is the edit that an administrator makes, on a rendered document:
// the boot line goes before the one of the disk.
func editByHand(doc string, rule domainxml.Rule) string {
	const disk = `<boot dev="hd" />`
	if rule.Boot == domainxml.BootNetworkFirst {
		doc = regexp.MustCompile(`(?m)^( *)`+disk).ReplaceAllString(doc, "$1<boot dev=\"network\" />\n$0")
	}
	switch rule.Filterref.Action {
	case domainxml.FilterrefRemove:
		doc = regexp.MustCompile(`(?s) *<filterref.*?</filterref>\n`).ReplaceAllString(doc, "")
	case domainxml.FilterrefReplace:
		doc = regexp.MustCompile(`<filterref filter="[^"]*"`).ReplaceAllString(doc, `<filterref filter="`+rule.Filterref.Filter+`"`)
	}
	return doc
}

type variables map[string]any

// instances are the variables of Nova's to_xml (nova/virt/libvirt/connection.py)
// in all combinations of those that the template names.
func instances(template string) []variables {
	cases := []variables{{}}
	cases = each(cases, "type", "qemu", "kvm", "lxc", "uml", "xen")
	cases = each(cases, "boots", "disk", "kernel", "kernel and ramdisk", "rescue")
	cases = each(cases, "vif_type", "bridge", "ethernet", "802.1Qbh", "ovs_virtualport")
	cases = each(cases, "nics", nics(0, ""), nics(1, ""), nics(3, `<parameter name="A" value="1" />`))
	// With a CD-ROM alone the rule leaves <boot dev="hd"/>, which names no device. A
	// template cannot.
	cases = each(cases, "root_device_type", "disk")
	cases = each(cases, "extras", false, true)
	named := map[string]bool{"type": true} // which decides who rewrites the document
	for _, word := range regexp.MustCompile(`\w+`).FindAllString(template, -1) {
		named[word] = true
	}
	distinct := map[string]variables{}
	for _, c := range cases {
		complete(c)
		maps.DeleteFunc(c, func(name string, _ any) bool { return !named[name] })
		distinct[fmt.Sprint(c)] = c
	}
	return slices.Collect(maps.Values(distinct))
}

// each returns the cases once with each value of a variable.
func each(cases []variables, name string, values ...any) []variables {
	var out []variables
	for _, c := range cases {
		for _, v := range values {
			d := variables{name: v}
			for k, old := range c {
				d[k] = old
			}
			out = append(out, d)
		}
	}
	return out
}

func nics(n int, extra string) []variables {
	list := []variables{}
	for i := range n {
		nic := variables{
			"id": fmt.Sprintf("fa163e0000%02x", i), "mac_address": fmt.Sprintf("fa:16:3e:00:00:%02x", i),
			"bridge_name": "br100", "ip_address": "192.0.2.2", "dhcp_server": "192.0.2.1",
			"name": fmt.Sprintf("tap%d", i), "script": "/bin/true", "device_name": "eth0", "profile_name": "p",
			"ovs_interfaceid": "5ac1f3cf-5547-4d2e-b9cc-c7b2a24e6a69",
		}
		if extra != "" {
			nic["extra_params"], nic["gateway_v6"] = extra, "2001:db8::1"
		}
		list = append(list, nic)
	}
	return list
}

// complete sets what follows from a case, and what every instance has.
func complete(c variables) {
	switch c["boots"] {
	case "rescue":
		c["rescue"] = true
	case "kernel and ramdisk":
		c["ramdisk"] = "/var/lib/nova/instances/instance-00000001/ramdisk"
		fallthrough
	case "kernel":
		c["kernel"] = "/var/lib/nova/instances/instance-00000001/kernel"
	}
	c["ephemerals"], c["volumes"] = []variables{}, []variables{}
	if c["extras"] == true {
		c["local"], c["local_device"], c["ephemeral_device"] = true, "vdb", "vdb"
		c["swap_device"], c["config_drive"], c["vncserver_host"], c["vncserver_listen"] = "vdc", true, "0.0.0.0", "0.0.0.0"
		c["ephemerals"] = []variables{{"device_path": "disk.eph1", "device": "vdd"}}
		c["extra_params"], c["ra_server"] = `<parameter name="A" value="1" />`, "2001:db8::1"
		c["use_virtio_for_bridges"] = false
	}
	for name, value := range map[string]any{
		"name": "instance-00000001", "uuid": "5ac1f3cf-5547-4d2e-b9cc-c7b2a24e6a68", "memory_kb": 524288, "vcpus": 1,
		"basepath": "/var/lib/nova/instances/instance-00000001", "driver_type": "qcow2", "cachemode": "none",
		"disk_prefix": "vd", "root_device": "vda", "vnc_keymap": "en-us",
		"bridge_name": "br100", "mac_address": "fa:16:3e:00:00:00", "ip_address": "192.0.2.2", "dhcp_server": "192.0.2.1",
	} {
		c[name] = value
	}
}

// A job has one of these: a template with sets of variables to render it with,
// documents to make canonical, or texts to compile as templates.
type job struct {
	Template  string      `json:"template,omitempty"`
	Variables []variables `json:"variables,omitempty"`
	Documents []string    `json:"documents,omitempty"`
	Compile   []string    `json:"compile,omitempty"`
}

// runJobs returns the results of a job, in its order. That of a document that is
// not well-formed is "".
type runJobs func(t *testing.T, j job) []string

// cheetah starts testdata/cheetah.py, which runs jobs until the test ends.
func cheetah(t *testing.T) runJobs {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import Cheetah").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs Debian's python3-cheetah: %v", err)
		}
		t.Skipf("left out: needs Debian's python3-cheetah: %v", err)
	}
	cmd := exec.Command(python, "testdata/cheetah.py")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("testdata/cheetah.py: %v", err)
		}
	})
	jobs, results := json.NewEncoder(stdin), json.NewDecoder(stdout)
	return func(t *testing.T, j job) []string {
		t.Helper()
		if err := jobs.Encode(j); err != nil {
			t.Fatal(err)
		}
		var out []string
		if err := results.Decode(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
