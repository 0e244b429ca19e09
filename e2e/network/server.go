package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// readyTimeout is how long a server may take until it serves.
const readyTimeout = 30 * time.Second

// Line is one line of a server's log, and when it was written.
type Line struct {
	At   time.Time
	Text string
}

// Server is a program that runs until it is stopped.
type Server struct {
	// Command is its command line.
	Command []string

	cmd   *exec.Cmd
	ended chan struct{}
	mutex sync.Mutex // of lines
	lines []Line
}

// Start runs a server, in a network namespace unless that is empty, and returns
// once a line of its log has the text that says that it serves.
func Start(ctx context.Context, namespace, ready string, command ...string) (*Server, error) {
	if namespace != "" {
		command = append([]string{"ip", "netns", "exec", namespace}, command...)
	}
	output, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &Server{Command: command, cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = writer, writer
	err = s.cmd.Start()
	writer.Close()
	if err != nil {
		output.Close()
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	go s.read(output)
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err = lab.Await(ctx, func() error {
		if !strings.Contains(s.Log(), ready) {
			return fmt.Errorf("starting %s: no %q in its log:\n%s", strings.Join(command, " "), ready, s.Log())
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// read keeps what the server writes until it ends.
func (s *Server) read(output io.ReadCloser) {
	defer close(s.ended)
	defer output.Close()
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := Line{time.Now(), lines.Text()}
		s.mutex.Lock()
		s.lines = append(s.lines, line)
		s.mutex.Unlock()
	}
}

// Lines is its log so far; a server that was never started has none.
func (s *Server) Lines() []Line {
	if s == nil {
		return nil
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]Line(nil), s.lines...)
}

// Log is its log so far as one text.
func (s *Server) Log() string {
	var text strings.Builder
	for _, line := range s.Lines() {
		text.WriteString(line.Text + "\n")
	}
	return text.String()
}

// Stop ends the server and returns when it has ended.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", strings.Join(s.Command, " "), err)
	}
	_ = s.cmd.Wait() // dhcpd ends with the signal
	<-s.ended
	return nil
}
