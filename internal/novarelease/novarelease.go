// Package novarelease tells which release of Nova a machine has, and which rules need a
// later one.
package novarelease

import (
	"fmt"
	"iter"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// Installed is the version of the Nova below a root directory, such as 26.2.2, by what
// Python's installers write down beside a package (PEP 376); "" where there is none. Of
// several it is the latest.
func Installed(root string) string {
	var found []string
	for _, libraries := range []string{
		"usr/lib/python*/*-packages",
		"usr/local/lib/python*/*-packages",
		"var/lib/kolla/venv/lib/python*/site-packages",
		"openstack/venvs/nova-*/lib/python*/site-packages",
	} {
		paths, _ := filepath.Glob(filepath.Join(root, libraries, "nova-*-info")) // the pattern is a good one
		for _, path := range paths {
			if m := regexp.MustCompile(`^nova-([0-9]+(?:\.[0-9]+)*)\S*\.(?:dist|egg)-info$`).FindStringSubmatch(filepath.Base(path)); m != nil {
				found = append(found, m[1])
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
}

// major is the first number of a version. Up to Liberty it was the year.
func major(version string) int {
	n, _ := strconv.Atoi(regexp.MustCompile(`^[0-9]+`).FindString(version))
	if n > 2000 {
		return n - 2012 // Folsom and its like, before all numbers that came later
	}
	return n
}

// writesSpecs is the first release, 2025.1, that writes a flavor's extra specs and an
// image's properties into a domain's metadata.
const writesSpecs = 31

// Warnings are about rules whose match no domain of such a Nova ever fits, in the rules'
// order. There is none for no version.
func Warnings(rules []domainxml.Rule, version string) []string {
	if version == "" || major(version) >= writesSpecs {
		return nil
	}
	var all []string
	for name, key := range needSpecs(rules) {
		all = append(all, fmt.Sprintf("rule %q matches no domain of this node's Nova %s, which writes no %s into them; Nova 2025.1 (31.0.0) and later do", name, version, key))
	}
	return all
}

// Untold are remarks about the same rules where the version is not known.
func Untold(rules []domainxml.Rule, version string) []string {
	if version != "" {
		return nil
	}
	var all []string
	for name, key := range needSpecs(rules) {
		all = append(all, fmt.Sprintf("rule %q matches by %s, which Nova writes into domains from 2025.1 (31.0.0) on; the version of this node's Nova is not known", name, key))
	}
	return all
}

// needSpecs are the names of the rules that match by a flavor's extra specs or an image's
// properties, each with the key that does.
func needSpecs(rules []domainxml.Rule) iter.Seq2[string, string] {
	return func(yield func(name, key string) bool) {
		for _, r := range rules {
			key := "extra_specs"
			if len(r.Match.ExtraSpecs) == 0 {
				key = "image_properties"
			}
			if len(r.Match.ExtraSpecs)+len(r.Match.ImageProperties) > 0 && !yield(r.Name, key) {
				return
			}
		}
	}
}
