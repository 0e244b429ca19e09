//go:build openstack

package openstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
)

// Explanation is what virt-netboot explain says of an instance.
type Explanation struct {
	Kind, Text, Do string
	Page           string // for an operator
}

// Explain asks why an instance does not boot from a tenant's server. server is
// ADDRESS/BITS, or empty.
func (i *Instance) Explain(server string) (Explanation, error) {
	args := []string{"explain", i.Domain}
	if server != "" {
		args = append(args, "--server", server)
	}
	var e Explanation
	var err error
	if e.Page, err = i.cloud.answer(args...); err != nil {
		return e, err
	}
	out, err := i.cloud.answer(append(args, "--json")...)
	if err != nil {
		return e, err
	}
	var said struct {
		Cause struct{ Kind, Text, Do string }
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		return e, fmt.Errorf("reading explain's answer %q: %w", out, err)
	}
	e.Kind, e.Text, e.Do = said.Cause.Kind, said.Cause.Text, said.Cause.Do
	return e, nil
}

// Probe asks a bridge's DHCP servers as an instance, and returns the verdicts.
func (i *Instance) Probe(bridge string) ([]string, error) {
	out, err := i.cloud.answer("probe", "--bridge", bridge, "--mac", i.Port.MACAddress, "--json")
	if err != nil {
		return nil, err
	}
	var said struct{ Findings []struct{ Verdict string } }
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		return nil, fmt.Errorf("reading probe's answer %q: %w", out, err)
	}
	var all []string
	for _, f := range said.Findings {
		all = append(all, f.Verdict)
	}
	return all, nil
}

// answer runs virt-netboot, whose exit status 1 or 2 may be a verdict.
func (c *Cloud) answer(args ...string) (string, error) {
	cmd := c.Command(append([]string{"virt-netboot"}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(out) > 0 {
		err = nil
	}
	if err != nil && exit != nil {
		err = fmt.Errorf("virt-netboot %v: %w: %s", args, err, exit.Stderr)
	}
	return string(out), err
}
