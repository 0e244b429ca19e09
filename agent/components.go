package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/virt-netboot/virt-netboot/agent/status"
)

// The components that virt-netboot agent --only names.
const (
	componentGateway   = status.ComponentGateway
	componentReconcile = status.ComponentReconcile
	componentFiles     = status.ComponentFiles
	componentMetrics   = "metrics"
)

// Components is some of the agent's components; none named is all of them. It is a flag
// with the names in a list.
type Components []string

func (s *Components) has(component string) bool { return slices.Contains(s.running(), component) }

// running are the names of those that run.
func (s *Components) running() []string {
	if len(*s) == 0 {
		return AllComponents()
	}
	return *s
}

// AllComponents are the names of all of them.
func AllComponents() []string {
	return []string{componentGateway, componentReconcile, componentFiles, componentMetrics}
}

func (s *Components) String() string { return strings.Join(*s, ",") }

// Type is what --help calls a value of the flag.
func (s *Components) Type() string { return "COMPONENT,..." }

// Set reads the flag's value.
func (s *Components) Set(list string) error {
	known := AllComponents()
	for component := range strings.SplitSeq(list, ",") {
		if !slices.Contains(known, component) {
			return fmt.Errorf("%q is no component of the agent: name some of %s", component, strings.Join(known, ", "))
		}
		*s = append(*s, component)
	}
	return nil
}
