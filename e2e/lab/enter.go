package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// The environment of a lab's processes.
const (
	envRole  = "VIRT_NETBOOT_LAB"       // what the process is in the lab; unset on the host
	envDisks = "VIRT_NETBOOT_LAB_DISKS" // the host's directory behind InstancesDir

	roleInit   = "init"   // PID 1
	roleInside = "inside" // the program itself
)

// stopGrace is how long a program that was interrupted may take to clean up.
const stopGrace = 20 * time.Second

// Inside reports whether this process runs in a lab.
func Inside() bool { return os.Getenv(envRole) == roleInside }

// Main turns this process into the first of a lab where Enter started it as
// such, and does not return then. Everywhere else it does nothing. It must come
// first in main or TestMain.
func Main() {
	if os.Getenv(envRole) != roleInit {
		return
	}
	code, err := initProcess()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		code = 1
	}
	os.Exit(code)
}

// Enter runs this program once more, with the arguments given, in a new lab, and
// returns when it and everything it started have ended. Its standard output and
// error are this program's unless redirect changes them. When ctx ends it is interrupted (SIGINT) and has
// 20 seconds to clean up. An exit status other than 0 is an *exec.ExitError.
func Enter(ctx context.Context, redirect func(*exec.Cmd), args ...string) error {
	// On a disk: Nova's disks have cache='none', and tmpfs has had O_DIRECT only
	// since Linux 6.6.
	disks, err := os.MkdirTemp("/var/tmp", "virt-netboot-lab-")
	if err != nil {
		return fmt.Errorf("making a directory for the lab's disks: %w", err)
	}
	defer os.RemoveAll(disks)

	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), envRole+"="+roleInit, envDisks+"="+disks)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		// The lab dies with this program, even with a killed one.
		Pdeathsig: syscall.SIGKILL,
		// A terminal's Ctrl-C reaches the lab through ctx alone, not twice.
		Setpgid: true,
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	if redirect != nil {
		redirect(cmd)
	}

	// Pdeathsig is sent at the death of the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running in a lab: %w", err)
	}
	return nil
}

// initProcess is PID 1: it makes the file system, runs the program, reaps
// orphans and returns the program's exit code. libvirtd waits for the death of a
// QEMU that is nobody's child with kill(pid, 0), which a zombie still answers.
func initProcess() (int, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	if err := makeFileSystem(os.Getenv(envDisks)); err != nil {
		return 0, fmt.Errorf("making the lab's file system: %w", err)
	}
	if err := syscall.Sethostname([]byte(hostname)); err != nil {
		return 0, fmt.Errorf("setting the lab's host name: %w", err)
	}
	if err := os.Setenv(envRole, roleInside); err != nil {
		return 0, err
	}
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return 0, fmt.Errorf("starting the program in the lab: %w", err)
	}
	go func() {
		for s := range signals {
			_ = child.Signal(s) // it may have ended just now
		}
	}()
	return reapUntil(child.Pid)
}

// reapUntil waits for children, its own and those it inherited, until pid ends.
func reapUntil(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		dead, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("waiting for the lab's processes: %w", err)
		}
		if dead != pid {
			continue
		}
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}
