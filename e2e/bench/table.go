package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// row is a measured ratio beside its goal.
type row struct {
	what    string
	against string
	ratio   float64
	goal    goal
}

// goal is what a ratio should be at most, or with atLeast at least; the zero
// goal is none.
type goal struct {
	ratio   float64
	atLeast bool
}

// verdict says whether the ratio meets the goal, and by how much it does not.
func (g goal) verdict(ratio float64) string {
	switch {
	case g == goal{}:
		return ""
	case g.atLeast && ratio >= g.ratio, !g.atLeast && ratio <= g.ratio:
		return "met"
	}
	return fmt.Sprintf("missed by %.0f %%", 100*max(ratio-g.ratio, g.ratio-ratio)/g.ratio)
}

func (g goal) String() string {
	switch {
	case g == goal{}:
		return "-"
	case g.atLeast:
		return fmt.Sprintf("≥ %.2f", g.ratio)
	}
	return fmt.Sprintf("≤ %.2f", g.ratio)
}

func printTable(title string, rows []row) error {
	fmt.Printf("\n%s\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  what\tagainst\tratio\tgoal\t")
	for _, r := range rows {
		fmt.Fprintf(w, "  %s\t%s\t%.2f\t%s\t%s\n", r.what, r.against, r.ratio, r.goal, r.goal.verdict(r.ratio))
	}
	return w.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
