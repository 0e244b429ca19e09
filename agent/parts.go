package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The parts that virt-netboot agent --only names.
const (
	partGateway   = "gateway"
	partReconcile = "reconcile"
	partFiles     = "files"
	partMetrics   = "metrics"
)

// selection is some of the agent's parts; none named is all of them. It is a flag
// with the names in a list.
type selection []string

func (s *selection) has(part string) bool { return len(*s) == 0 || slices.Contains(*s, part) }

func (s *selection) String() string { return strings.Join(*s, ",") }

// Type is what --help calls a value of the flag.
func (s *selection) Type() string { return "PART,..." }

// Set reads the flag's value.
func (s *selection) Set(list string) error {
	known := []string{partGateway, partReconcile, partFiles, partMetrics}
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
	return s
}
