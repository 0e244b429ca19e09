package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/status"
)

// Components are names of the agent's components; empty means all of them. As a flag
// it is a list, such as gateway,files.
type Components []string

// AllComponents are the names of all components.
func AllComponents() []string {
	return []string{status.ComponentGateway, status.ComponentReconcile, status.ComponentFiles, status.ComponentMetrics}
}

// running are the names of the components that run.
func (c *Components) running() []string {
	if len(*c) == 0 {
		return AllComponents()
	}
	return *c
}

func (c *Components) has(component string) bool { return slices.Contains(c.running(), component) }

func (c *Components) String() string { return strings.Join(*c, ",") }

// Type is what --help calls the flag's value.
func (c *Components) Type() string { return "COMPONENT,..." }

// Set reads the flag's value.
func (c *Components) Set(list string) error {
	known := AllComponents()
	for component := range strings.SplitSeq(list, ",") {
		if !slices.Contains(known, component) {
			return fmt.Errorf("%q is not a component of the agent; the components are %s", component, strings.Join(known, ", "))
		}
		*c = append(*c, component)
	}
	return nil
}
