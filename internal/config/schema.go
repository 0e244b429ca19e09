package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// maxSocketPath is the longest path that fits sun_path of unix(7) with the zero
// byte at its end.
const maxSocketPath = 107

func (d *decoder) config(n ast.Node, c *Config) {
	d.section(n, []field{
		{"mode", choice(d, &c.Mode, ModeEnforce, ModeObserve)},
		{"existing", choice(d, &c.Existing, ExistingKeep, ExistingSync)},
		{"gateway", func(n ast.Node) { d.gateway(n, &c.Gateway) }},
		{"rules", func(n ast.Node) { d.rules(n, &c.Rules) }},
		{"files", func(n ast.Node) { d.files(n, &c.Files) }},
		{"metrics", func(n ast.Node) {
			d.section(n, []field{{"listen", d.checked(&c.Metrics.Listen, checkListen)}})
		}},
		{"log", func(n ast.Node) {
			d.section(n, []field{
				{"level", choice(d, &c.Log.Level, LevelError, LevelWarn, LevelInfo, LevelDebug, LevelTrace)},
				{"format", choice(d, &c.Log.Format, FormatText, FormatJSON)},
			})
		}},
	})
}

func (d *decoder) gateway(n ast.Node, g *Gateway) {
	d.section(n, []field{
		{"listen", d.checked(&g.Listen, checkSocket)},
		{"upstream", d.checked(&g.Upstream, func(s string) error {
			if s == "" {
				return nil
			}
			return checkSocket(s)
		})},
		{"on_refusal", choice(d, &g.OnRefusal, RefusalOriginal, RefusalError)},
	})
	if g.Listen == g.Upstream {
		d.fail(n, "listen and upstream are both %s: the gateway would talk to itself", g.Listen)
	}
}

func (d *decoder) rules(n ast.Node, rules *[]domainxml.Rule) {
	items, ok := d.list(n, "rules, or [] for none")
	if !ok {
		return
	}
	*rules = make([]domainxml.Rule, len(items))
	for i, item := range items {
		r := &(*rules)[i]
		*r = domainxml.DefaultRule()
		r.Name = ""
		d.rule(item, r)
		if r.Name == "" {
			r.Name = "rule " + strconv.Itoa(i+1)
		}
	}
}

func (d *decoder) rule(n ast.Node, r *domainxml.Rule) {
	d.mapping(n, []field{
		{"name", d.checked(&r.Name, nil)},
		{"match", func(n ast.Node) { d.match(n, &r.Match) }},
		{"boot", d.unmarshal(&r.Boot)},
		{"only_if", d.unmarshal(&r.OnlyIf)},
		{"boot_nic", d.bootNIC(&r.BootNIC)},
		{"filterref", d.unmarshal(&r.Filterref)},
		{"kernel", d.unmarshal(&r.Kernel)},
		{"ipxe_kernel", d.boolean(&r.IPXEKernel)},
		{"rng", d.unmarshal(&r.RNG)},
		{"unprepared", d.unmarshal(&r.Unprepared)},
	})
}

// bootNIC takes a string, or a mapping with one glob.
func (d *decoder) bootNIC(b *domainxml.BootNIC) func(ast.Node) {
	return func(n ast.Node) {
		if _, scalar := n.(ast.ScalarNode); scalar {
			d.unmarshal(b)(n)
			return
		}
		seen := d.mapping(n, []field{
			{"bridge", d.checked(&b.Bridge, checkGlob)},
			{"network", d.checked(&b.Network, checkGlob)},
			{"dev", d.checked(&b.Dev, checkGlob)},
			{"mac", d.checked(&b.MAC, checkGlob)},
			{"hostdev", d.checked(&b.Hostdev, checkGlob)},
		})
		if seen != nil && len(seen) != 1 {
			d.fail(n, "must be one of %s", domainxml.BootNICValues)
		}
	}
}

func (d *decoder) match(n ast.Node, m *domainxml.Match) {
	d.mapping(n, []field{
		{"name", d.globs(&m.Name)},
		{"bridge", d.globs(&m.Bridge)},
		{"network", d.globs(&m.Network)},
		{"project", d.globs(&m.Project)},
		{"user", d.globs(&m.User)},
		{"flavor", d.globs(&m.Flavor)},
		{"image", d.globs(&m.Image)},
		{"extra_specs", d.globMap(&m.ExtraSpecs)},
		{"image_properties", d.globMap(&m.ImageProperties)},
	})
}

func (d *decoder) files(n ast.Node, files *[]File) {
	items, ok := d.list(n, "files, or [] for none")
	if !ok {
		return
	}
	*files = make([]File, len(items))
	for i, item := range items {
		d.file(item, &(*files)[i])
	}
}

func (d *decoder) file(n ast.Node, f *File) {
	seen := d.mapping(n, []field{
		{"path", d.checked(&f.Path, checkAbsolute)},
		{"kind", choice(d, &f.Kind, KindNovaTemplate, KindDnsmasq)},
	})
	if seen == nil {
		return
	}
	if !seen["path"] {
		d.fail(n, "the file has no path")
	}
	if !seen["kind"] {
		d.fail(n, "the file has no kind; it is one of %s, %s", KindNovaTemplate, KindDnsmasq)
	}
}

func checkGlob(s string) error {
	if s == "" {
		return fmt.Errorf("an empty glob matches nothing")
	}
	return domainxml.CheckGlob(s)
}

func checkAbsolute(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%q is not an absolute path", s)
	}
	return nil
}

func checkSocket(s string) error {
	if len(s) > maxSocketPath {
		return fmt.Errorf("a unix socket's path has at most %d bytes, this one has %d", maxSocketPath, len(s))
	}
	return checkAbsolute(s)
}

func checkListen(s string) error {
	if s != "" && !isHostPort(s) {
		return fmt.Errorf(`%q is not host:port, as in 127.0.0.1:9178, [::1]:9178 or :9178; "" turns it off`, s)
	}
	return nil
}

// isHostPort is net.SplitHostPort without package net, which alone makes the hook start
// a tenth slower.
func isHostPort(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return false
	}
	host := s[:colon]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(host, ":") {
			return false
		}
	} else if strings.Contains(host, ":") {
		return false
	}
	_, err := strconv.ParseUint(s[colon+1:], 10, 16)
	return err == nil && !strings.ContainsAny(host, "[]/ ")
}
