package novatemplate_test

import (
	"bytes"
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
	for _, file := range releases(t) {
		release := strings.TrimSuffix(filepath.Base(file), ".xml.template")
		for name, change := range rules {
			t.Run(release+"/"+name, func(t *testing.T) {
				rule := domainxml.DefaultRule()
				change(&rule)
				checkRelease(t, readFile(t, file), rule)
			})
		}
	}
}

func checkRelease(t *testing.T, stock string, rule domainxml.Rule) {
	res, err := novatemplate.Edit([]byte(stock), rule)
	if err != nil {
		t.Fatal(err)
	}
	cases := instances()
	jobs := []job{}
	for _, c := range cases {
		jobs = append(jobs, job{Template: stock, Variables: c}, job{Template: string(res.Output), Variables: c})
	}
	rendered := cheetah(t, jobs)

	r := domainxml.Rewriter{Policy: domainxml.Policy{Rules: []domainxml.Rule{rule}}}
	type pair struct{ want, got string }
	pairs, changed := map[pair]variables{}, 0
	for i, c := range cases {
		stock, p := rendered[2*i], pair{got: rendered[2*i+1]}
		if d := c["type"]; d == "qemu" || d == "kvm" {
			p.want = rewrite(t, r, stock)
		} else {
			p.want = editByHand(stock, rule)
		}
		if p.want != stock {
			changed++
		}
		pairs[p] = c
	}
	distinct := slices.Collect(maps.Keys(pairs))
	jobs = nil
	for _, p := range distinct {
		jobs = append(jobs, job{Document: &p.want}, job{Document: &p.got})
	}
	canonical := cheetah(t, jobs)
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
// in all combinations that a template has branches for. Each release uses some.
func instances() []variables {
	cases := []variables{{}}
	cases = each(cases, "type", "qemu", "kvm", "lxc", "uml", "xen")
	cases = each(cases, "boots", "disk", "kernel", "kernel and ramdisk", "rescue")
	cases = each(cases, "vif_type", "bridge", "ethernet", "802.1Qbh", "ovs_virtualport")
	cases = each(cases, "nics", nics(0, ""), nics(1, ""), nics(3, `<parameter name="A" value="1" />`))
	cases = each(cases, "root_device_type", "disk", "cdrom")
	cases = each(cases, "extras", false, true)
	for _, c := range cases {
		complete(c)
	}
	return cases
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

type job struct {
	Template  string    `json:"template,omitempty"`
	Variables variables `json:"variables,omitempty"`
	Document  *string   `json:"document,omitempty"`
	Compile   *string   `json:"compile,omitempty"`
}

// cheetah runs testdata/cheetah.py. A document that is not well-formed is "".
func cheetah(t *testing.T, jobs []job) []string {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import Cheetah").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs Debian's python3-cheetah: %v", err)
		}
		t.Skipf("left out: needs Debian's python3-cheetah: %v", err)
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/cheetah.py")
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var results []string
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
