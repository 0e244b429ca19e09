// Package process times whole processes against each other.
//
// Programs that live for a millisecond cannot be compared by timing one and
// then the other: the machine changes in between. So every round runs each
// command once, and what counts is the ratio of the medians:
//
//	times, err := process.Ratios(ctx, 400, "domain.xml",
//		process.Command{Name: "empty", Args: []string{"./empty"}},
//		process.Command{Name: "hook", Args: []string{"./qemu-hook", "vm", "prepare", "begin", "-"}},
//	)
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// Command is a program to time.
type Command struct {
	Name  string   // what the result calls it
	Args  []string // the program and its arguments
	After []string // the same of a program that undoes it, which is not timed; may be empty
}

// Time is what the runs of one command took, from fork to exit.
type Time struct {
	Name        string
	Min, Median time.Duration
	Ratio       float64 // Median over the first command's Median
}

// String is a row for a table.
func (t Time) String() string {
	return fmt.Sprintf("%-28s median %8.3f ms  min %8.3f ms  %6.2fx", t.Name, ms(t.Median), ms(t.Min), t.Ratio)
}

// Ratios runs every command n times, in turns, each with the named file as its
// standard input and /dev/null as its standard output, and compares them with
// the first. A command that fails ends the measurement with its error: the time
// of a failure says nothing.
func Ratios(ctx context.Context, n int, stdin string, commands ...Command) ([]Time, error) {
	if n < 1 || len(commands) == 0 {
		return nil, errors.New("timing processes: nothing to run")
	}
	const warmUp = 3
	took := make([][]time.Duration, len(commands))
	for round := range n + warmUp {
		for i, c := range commands {
			d, err := run(ctx, stdin, c)
			if err != nil {
				return nil, fmt.Errorf("timing %s: %w", c.Name, err)
			}
			if round >= warmUp {
				took[i] = append(took[i], d)
			}
		}
	}
	times := make([]Time, len(commands))
	for i, c := range commands {
		slices.Sort(took[i])
		times[i] = Time{Name: c.Name, Min: took[i][0], Median: median(took[i])}
		times[i].Ratio = float64(times[i].Median) / float64(times[0].Median)
	}
	return times, nil
}

func run(ctx context.Context, stdin string, c Command) (time.Duration, error) {
	in, err := os.Open(stdin)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Stdin = in
	start := time.Now()
	if err := cmd.Run(); err != nil || len(c.After) == 0 {
		return time.Since(start), err
	}
	took := time.Since(start)
	if err := exec.CommandContext(ctx, c.After[0], c.After[1:]...).Run(); err != nil {
		return 0, fmt.Errorf("undoing it: %w", err)
	}
	return took, nil
}

func median(sorted []time.Duration) time.Duration {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
