package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/status"
)

// Components are the names of some of the agent's components; none named is all of
// them. It is a flag with the names in a list.
type Components []string

// AllComponents are the names of all of them.
func AllComponents() []string {
	return []string{status.ComponentGateway, status.ComponentReconcile, status.ComponentFiles, status.ComponentMetrics}
}

// running are the names of those that run.
func (c *Components) running() []string {
	if len(*c) == 0 {
		return AllComponents()
	}
	return *c
}

func (c *Components) has(component string) bool { return slices.Contains(c.running(), component) }

func (c *Components) String() string { return strings.Join(*c, ",") }

// Type is what --help calls a value of the flag.
func (c *Components) Type() string { return "COMPONENT,..." }

// Set reads the flag's value.
func (c *Components) Set(list string) error {
	known := AllComponents()
	for component := range strings.SplitSeq(list, ",") {
		if !slices.Contains(known, component) {
			return fmt.Errorf("%q is no component of the agent: name some of %s", component, strings.Join(known, ", "))
		}
		*c = append(*c, component)
	}
	return nil
}
