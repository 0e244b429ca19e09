package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	nodestatus "github.com/virt-netboot/virt-netboot/agent/status"
)

// The parts that virt-netboot agent --only names.
const (
	partGateway   = nodestatus.PartGateway
	partReconcile = nodestatus.PartReconcile
	partFiles     = nodestatus.PartFiles
	partMetrics   = "metrics"
)

// selection is some of the agent's parts; none named is all of them. It is a flag
// with the names in a list.
type selection []string

func (s *selection) has(part string) bool { return slices.Contains(s.parts(), part) }

// parts are the names of those that run.
func (s *selection) parts() []string {
	if len(*s) == 0 {
		return allParts()
	}
	return *s
}

func allParts() []string { return []string{partGateway, partReconcile, partFiles, partMetrics} }

func (s *selection) String() string { return strings.Join(*s, ",") }

// Type is what --help calls a value of the flag.
func (s *selection) Type() string { return "PART,..." }

// Set reads the flag's value.
func (s *selection) Set(list string) error {
	known := allParts()
	for part := range strings.SplitSeq(list, ",") {
		if !slices.Contains(known, part) {
			return fmt.Errorf("%q is no part of the agent: name some of %s", part, strings.Join(known, ", "))
		}
		*s = append(*s, part)
	}
	return nil
}

// onlyFlag adds --only.
func onlyFlag(cmd *cobra.Command) *selection {
	s := &selection{}
	cmd.Flags().Var(s, "only", "run these parts of the agent: gateway, reconcile, files, metrics")
	completeFlag(cmd, "only", completeParts)
	return s
}
