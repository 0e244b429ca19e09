package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The environment of a lab's processes.
const (
	envRole  = "VIRT_NETBOOT_LAB"       // what the process is in the lab; unset on the host
	envDisks = "VIRT_NETBOOT_LAB_DISKS" // the host's directory behind InstancesDir

	systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" // systemd's
	lifelineFD = 3                                                              // of PID 1; the first of exec.Cmd's ExtraFiles

	roleInit   = "init"   // PID 1
	roleInside = "inside" // the program itself
)

// stopGrace is how long a program that was interrupted may take to clean up.
const stopGrace = 20 * time.Second

// Inside reports whether this process runs in a lab.
func Inside() bool { return os.Getenv(envRole) == roleInside }

// Main turns this process into the first of a lab where Enter started it as
// such, or into the agent, and does not return then. Everywhere else it does
// nothing. It must come first in main or TestMain.
func Main() {
	var code int
	var err error
	switch os.Getenv(envRole) {
	case roleInit:
		code, err = initProcess()
	case roleConfined:
		err = becomeConfined()
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		code = 1
	}
	os.Exit(code)
}

// Enter runs this program once more, with the arguments given, in a new lab, and
// returns when it and everything it started have ended. Its standard output and
// error are this program's unless redirect changes them. When ctx ends it is
// interrupted (SIGINT) and has 20 seconds to clean up. An exit status other than 0
// is an *exec.ExitError.
func Enter(ctx context.Context, redirect func(*exec.Cmd), args ...string) error {
	// On a disk: Nova's disks have cache='none', and tmpfs has had O_DIRECT only
	// since Linux 6.6.
	disks, err := os.MkdirTemp("/var/tmp", "virt-netboot-lab-")
	if err != nil {
		return fmt.Errorf("making a directory for the lab's disks: %w", err)
	}
	defer os.RemoveAll(disks)
	lifeline, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer hold.Close()
	defer lifeline.Close()

	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), envRole+"="+roleInit, envDisks+"="+disks)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{lifeline}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		// A terminal's Ctrl-C reaches the lab through ctx alone, not twice.
		Setpgid: true,
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	if redirect != nil {
		redirect(cmd)
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running in a lab: %w", err)
	}
	return nil
}

// initProcess is PID 1: it makes the file system, runs the program, reaps
// orphans and returns the program's exit code. libvirtd waits for the death of an
// orphaned QEMU with kill(pid, 0), which a zombie still answers.
func initProcess() (int, error) {
	syscall.CloseOnExec(lifelineFD)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	if err := makeFileSystem(os.Getenv(envDisks)); err != nil {
		return 0, fmt.Errorf("making the lab's file system: %w", err)
	}
	go endWithParent()
	if err := syscall.Sethostname([]byte(hostname)); err != nil {
		return 0, fmt.Errorf("setting the lab's host name: %w", err)
	}
	if err := errors.Join(os.Setenv(envRole, roleInside), os.Setenv("PATH", systemPath+":"+os.Getenv("PATH"))); err != nil {
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
	code, err := reapUntil(child.Pid)
	killAll()
	return code, errors.Join(err, emptyInstancesDir())
}

// endWithParent ends the lab when the process that entered it has ended without
// having waited, killed for one: that closes the pipe.
func endWithParent() {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	_, _ = lifeline.Read(make([]byte, 1)) // there is no writer: it returns at the end
	killAll()
}

// killAll ends every process of the lab but this one.
func killAll() { _ = syscall.Kill(-1, syscall.SIGKILL) } // fails where there is none

// emptyInstancesDir leaves nothing on the host's disk but an empty directory, for
// Enter to remove if it still can.
func emptyInstancesDir() error {
	files, err := filepath.Glob(filepath.Join(InstancesDir, "*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			return err
		}
	}
	return nil
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
