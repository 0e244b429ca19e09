package domainxml

import (
	"fmt"
	"path"
	"strings"
)

// Match is the condition of a rule. Every list that is not empty must fit; a
// list fits when one of its globs does. Globs are those of path.Match (*, ?,
// [a-z]), except that * and ? also stand for a slash.
type Match struct {
	Name    []string // the domain's name
	Bridge  []string // the bridge of any of its interfaces
	Network []string // the libvirt network of any of its interfaces

	// From Nova's metadata; a domain without it fits none of these.
	Project []string // name or UUID
	User    []string // name or UUID
	Flavor  []string // name or, since Nova 2025.1, ID
	Image   []string // UUID
	// Since Nova 2025.1: every named key must be there with a fitting value.
	ExtraSpecs      map[string]string
	ImageProperties map[string]string
}

// Fits reports whether the domain meets the condition.
func (m Match) Fits(d Domain) bool { return m.Misfit(d) == "" }

// Misfit returns the first key of the condition, as the configuration names it, that the
// domain does not meet, "" where it meets all.
func (m Match) Misfit(d Domain) string {
	switch {
	case !fits(m.Name, d.Name):
		return "name"
	case !fits(m.Bridge, d.Bridges...):
		return "bridge"
	case !fits(m.Network, d.Networks...):
		return "network"
	case !fits(m.Project, d.Nova.Project.Name, d.Nova.Project.UUID):
		return "project"
	case !fits(m.User, d.Nova.User.Name, d.Nova.User.UUID):
		return "user"
	case !fits(m.Flavor, d.Nova.Flavor.Name, d.Nova.Flavor.ID):
		return "flavor"
	case !fits(m.Image, d.Nova.Image.UUID):
		return "image"
	case !fitsAll(m.ExtraSpecs, d.Nova.Flavor.ExtraSpecs):
		return "extra_specs"
	case !fitsAll(m.ImageProperties, d.Nova.Image.Properties):
		return "image_properties"
	}
	return ""
}

// CheckGlob returns an error for a glob that Match cannot use.
func CheckGlob(glob string) error {
	if _, err := path.Match(glob, ""); err != nil {
		return fmt.Errorf("%q is not a glob: a [ without its ], or a \\ at the end", glob)
	}
	return nil
}

func fits(globs []string, values ...string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		for _, v := range values {
			if v != "" && globFits(g, v) {
				return true
			}
		}
	}
	return false
}

func fitsAll(globs, values map[string]string) bool {
	for key, glob := range globs {
		if v, ok := values[key]; !ok || !globFits(glob, v) {
			return false
		}
	}
	return true
}

// globFits is path.Match, with * and ? for a slash, too.
func globFits(glob, value string) bool {
	const slash, plain = "/", "\x00"
	ok, err := path.Match(strings.ReplaceAll(glob, slash, plain), strings.ReplaceAll(value, slash, plain))
	return err == nil && ok
}
