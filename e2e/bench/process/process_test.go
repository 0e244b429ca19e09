package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestRatios(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	times, err := Ratios(context.Background(), 3, in,
		Command{Name: "short", Args: []string{"sh", "-c", "grep -q hello"}},
		Command{Name: "long", Args: []string{"sh", "-c", "grep -q hello; sleep 0.1"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if times[0].Name != "short" || times[0].Ratio != 1 {
		t.Errorf("the first command is not the base: %v", times[0])
	}
	if ratio := float64(times[1].Median) / float64(times[0].Median); times[1].Ratio != ratio {
		t.Errorf("the ratio of %v is %v, want %v", times, times[1].Ratio, ratio)
	}
	if times[1].Min < 100*time.Millisecond || times[1].Median < times[1].Min {
		t.Errorf("0.1 s: %v", times[1])
	}
}

func TestRatiosFailingCommand(t *testing.T) {
	_, err := Ratios(context.Background(), 1, os.DevNull, Command{Name: "broken", Args: []string{"false"}})
	if err == nil {
		t.Error("a failing command was timed as if it had worked")
	}
}

func TestRatiosAfter(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	mkdir := Command{Name: "mkdir", Args: []string{"mkdir", made}, After: []string{"sh", "-c", `rmdir "$1" && sleep 0.3`, "sh", made}}
	times, err := Ratios(context.Background(), 2, os.DevNull, mkdir)
	if err != nil {
		t.Fatalf("what a command did was not undone: %v", err)
	}
	if times[0].Min >= 300*time.Millisecond {
		t.Errorf("the time of what undoes a command counts: %v", times)
	}
	mkdir.After = []string{"false"}
	if _, err := Ratios(context.Background(), 2, os.DevNull, mkdir); err == nil {
		t.Error("what undoes a command failed without an error")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		sorted []time.Duration
		want   time.Duration
	}{
		{[]time.Duration{7}, 7},
		{[]time.Duration{1, 3, 100}, 3},
		{[]time.Duration{1, 3, 5, 100}, 4},
	} {
		if got := median(c.sorted); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.sorted, got, c.want)
		}
	}
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho installed\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	installed, err := Install(dir, program)
	if err != nil || filepath.Dir(installed) != dir {
		t.Fatalf("Install: %q, %v", installed, err)
	}
	if out, err := exec.Command(installed).Output(); err != nil || string(out) != "installed\n" {
		t.Errorf("the installed program says %q, %v", out, err)
	}
	if _, err := Install(dir, program); err == nil {
		t.Error("a second program took the first one's place")
	}
}
