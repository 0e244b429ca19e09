// Package fdstore has the service manager keep a file descriptor while the service is
// restarted (FileDescriptorStoreMax= in systemd.service(5)).
//
//	sockets, store := fdstore.Open("clients")
//	before, err := store.Take() // what the process before has put there, or nil
//	err = store.Put(f)          // for the next one
package fdstore

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Store is a service's descriptors of one name.
type Store struct {
	name string
	kept []*os.File // by the service manager, and here from the start
}

// Open returns what the service manager has passed to this process (sd_listen_fds(3)):
// the sockets of its socket units, and the descriptors that it keeps by the name. A name
// has no colon. The second of two calls in a process finds nothing.
func Open(name string) (sockets []*os.File, s *Store) {
	s = &Store{name: name}
	for _, f := range activation.Files(true) {
		if f.Name() == name {
			s.kept = append(s.kept, f)
		} else {
			sockets = append(sockets, f)
		}
	}
	return sockets, s
}

// Take returns the descriptor that the process before has put there, nil where there is
// none. The service manager has forgotten it then, so that nothing of it outlives this
// process.
func (s *Store) Take() (*os.File, error) {
	if len(s.kept) == 0 {
		return nil, nil
	}
	if err := s.notify("FDSTOREREMOVE=1\nFDNAME=" + s.name); err != nil {
		return nil, errors.Join(fmt.Errorf("taking a descriptor out of systemd's store: %w", err), s.close())
	}
	if n := len(s.kept); n > 1 {
		return nil, errors.Join(fmt.Errorf("systemd's store has %d descriptors named %s, want one", n, s.name), s.close())
	}
	f := s.kept[0]
	s.kept = nil
	return f, nil
}

// Put has the service manager keep a descriptor for the next process. When it returns,
// the service manager has it, or has closed it, as it does without
// FileDescriptorStoreMax=.
func (s *Store) Put(f *os.File) error {
	// Without FDPOLL=0 it is thrown out where poll(2) reports a hang-up.
	if err := s.notify("FDSTORE=1\nFDPOLL=0\nFDNAME="+s.name, int(f.Fd())); err != nil {
		return fmt.Errorf("putting a descriptor into systemd's store: %w", err)
	}
	return nil
}

func (s *Store) close() (err error) {
	for _, f := range s.kept {
		err = errors.Join(err, f.Close())
	}
	s.kept = nil
	return err
}

// patience is how long the service manager may take to read what it is told.
const patience = 5 * time.Second

var errNoManager = errors.New("no service manager runs this process: NOTIFY_SOCKET is not set")

// notify tells the service manager of a state, and waits until it has seen to it: it
// closes the descriptor that comes with BARRIER=1 after that (sd_notify_barrier(3)).
func (s *Store) notify(state string, fds ...int) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return errNoManager
	}
	manager, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(manager)
	seen, barrier, err := os.Pipe()
	if err != nil {
		return err
	}
	defer seen.Close()
	defer barrier.Close()
	for _, m := range []struct {
		state string
		fds   []int
	}{{state, fds}, {"BARRIER=1", []int{int(barrier.Fd())}}} {
		err := unix.Sendmsg(manager, []byte(m.state), unix.UnixRights(m.fds...), &unix.SockaddrUnix{Name: path}, unix.MSG_NOSIGNAL)
		if err != nil {
			return err
		}
	}
	barrier.Close()
	if err := seen.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := seen.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("systemd has not seen to it within %v", patience)
	}
	return nil
}
