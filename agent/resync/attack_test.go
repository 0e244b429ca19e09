package resync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
)

const (
	nova      = 65534 // whose directory is
	stockConf = "log-dhcp\n"
	wantConf  = stockConf + "dhcp-userclass=set:ipxe,iPXE\ndhcp-ignore=tag:ipxe\n"
	cronJob   = "0 * * * * root true\n"
)

// house has the directory nova, which is Nova's as on Debian, with dnsmasq.conf in it,
// and the directory root with root's own file job. Its paths can be searched by all.
type house struct {
	t   *testing.T
	dir string
}

func newHouse(t *testing.T) house {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: only root can be led on")
	}
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	h := house{t, dir}
	must(t, os.Mkdir(h.path("nova"), 0o755))
	must(t, os.Mkdir(h.path("root"), 0o755))
	h.put("nova/dnsmasq.conf", stockConf)
	h.put("root/job", cronJob)
	h.give("nova")
	h.give("nova/dnsmasq.conf")
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h house) path(name string) string { return filepath.Join(h.dir, name) }

func (h house) put(name, text string) {
	h.t.Helper()
	put(h.t, h.path(name), text)
}

// give makes a file Nova's.
func (h house) give(name string) {
	h.t.Helper()
	must(h.t, os.Lchown(h.path(name), nova, nova))
}

// link makes a link of Nova's.
func (h house) link(target, name string) {
	h.t.Helper()
	must(h.t, os.Symlink(target, h.path(name)))
	h.give(name)
}

func (h house) fifo(name string) {
	h.t.Helper()
	must(h.t, unix.Mkfifo(h.path(name), 0o666))
	h.give(name)
}

func (h house) has(name, want string) {
	h.t.Helper()
	got, err := os.ReadFile(h.path(name))
	must(h.t, err)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		h.t.Errorf("%s, -want +got:\n%s", name, diff)
	}
}

func (h house) owner(name string) string {
	h.t.Helper()
	info, err := os.Lstat(h.path(name))
	must(h.t, err)
	s := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d %o", s.Uid, s.Gid, info.Mode().Perm())
}

func conf(path string) config.File { return config.File{Path: path, Kind: config.KindDnsmasq} }

func (h house) apply(name string) (Status, error) {
	return within(h, func() (Status, error) {
		return Apply(h.t.Context(), conf(h.path(name)), domainxml.Policy{Rules: []domainxml.Rule{domainxml.DefaultRule()}}, func(string) {})
	})
}

func (h house) revert(name string) (Reverted, error) {
	return within(h, func() (Reverted, error) {
		return Revert(h.t.Context(), conf(h.path(name)), func(string) {})
	})
}

// within fails the test where f takes long: something is waited for that may never
// come.
func within[T any](h house, f func() (T, error)) (T, error) {
	h.t.Helper()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(8 * time.Second):
		h.t.Fatal("still waiting")
		panic("unreachable")
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// TestOwnersDirectory: what an owner does in a directory leads root to nothing that the
// owner may not do alone.
func TestOwnersDirectory(t *testing.T) {
	const file = "nova/dnsmasq.conf"
	for name, attack := range map[string]func(t *testing.T, h house){
		"a link for a marker": func(t *testing.T, h house) {
			h.link(h.path("root/job"), file+markerSuffix)
			_, err := h.revert(file)
			must(t, err)
			h.has("root/job", cronJob)
		},
		"a link to nowhere for a marker": func(t *testing.T, h house) {
			h.link(h.path("root/new"), file+markerSuffix)
			_, err := h.revert(file)
			must(t, err)
			if exists(h.path("root/new")) {
				t.Error("root has made a file")
			}
		},
		"a link for the stock file": func(t *testing.T, h house) {
			must(t, os.Chmod(h.path("root/job"), 0o600))
			h.link(h.path("root/job"), file+stockSuffix)
			_, err := h.revert(file)
			refused(t, err, "virt-netboot-orig is no regular file")
			h.has(file, stockConf)
		},
		"a link to Nova's own for the stock file": func(t *testing.T, h house) {
			h.put("nova/nova.conf", "password\n")
			h.link("nova.conf", file+stockSuffix)
			_, err := h.revert(file)
			refused(t, err, "virt-netboot-orig is no regular file")
			h.has(file, stockConf)
		},
		"a FIFO for the stock file": func(t *testing.T, h house) {
			h.fifo(file + stockSuffix)
			_, err := h.revert(file)
			refused(t, err, "virt-netboot-orig is no regular file")
			_, err = h.apply(file)
			refused(t, err, "virt-netboot-orig is no regular file")
		},
		"a large stock file": func(t *testing.T, h house) {
			h.put(file+stockSuffix, "")
			h.give(file + stockSuffix)
			must(t, os.Truncate(h.path(file+stockSuffix), 3<<30))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := h.revert(file)
			runtime.ReadMemStats(&after)
			refused(t, err, "virt-netboot-orig is larger than 1024 KiB")
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
				t.Errorf("it took %d bytes", took)
			}
		},
		"another directory in its place": swapDirectory,
		"a link to root's file": func(t *testing.T, h house) {
			must(t, os.Remove(h.path(file)))
			h.link(h.path("root/job"), file)
			for name, do := range map[string]func() error{
				"apply":  func() error { _, err := h.apply(file); return err },
				"revert": func() error { _, err := h.revert(file); return err },
			} {
				t.Log(name)
				refused(t, do(), "leads to "+h.path("root")+", which is root's; nobody, who owns "+h.path("nova")+", can change that")
			}
			h.has("root/job", cronJob)
			// By its own name it is root's word.
			_, err := h.apply("root/job")
			must(t, err)
			h.has("root/job.virt-netboot-orig", cronJob)
		},
		"a link to a file that root alone can read": func(t *testing.T, h house) {
			must(t, os.Chmod(h.path("root"), 0o700))
			must(t, os.Remove(h.path(file)))
			h.link(h.path("root/job"), file)
			_, err := h.apply(file)
			refused(t, err, "as nobody, who owns "+h.path("nova"))
			h.has("root/job", cronJob)
		},
		"a link in it to root's directory": func(t *testing.T, h house) {
			h.link(h.path("root"), "nova/sub")
			_, err := h.apply("nova/sub/job")
			refused(t, err, "leads to "+h.path("root"))
			_, err = h.revert("nova/sub/job")
			refused(t, err, "leads to "+h.path("root"))
			h.has("root/job", cronJob)
		},
		"root's directory in it": func(t *testing.T, h house) {
			must(t, os.Rename(h.path("root"), h.path("nova/root")))
			_, err := h.apply("nova/root/job")
			refused(t, err, "leads to "+h.path("nova/root"))
			h.has("nova/root/job", cronJob)
		},
		"root's secret by a hard link": func(t *testing.T, h house) {
			must(t, os.Chmod(h.path("root/job"), 0o600))
			must(t, os.Link(h.path("root/job"), h.path(file+stockSuffix)))
			_, err := h.revert(file)
			refused(t, err, "permission denied")
			h.has(file, stockConf)
		},
	} {
		t.Run(name, func(t *testing.T) { attack(t, newHouse(t)) })
	}
}

// swapDirectory has a file's directory become root's while the stock file is read, if
// that waits at all.
func swapDirectory(t *testing.T, h house) {
	must(t, os.Remove(h.path("nova/dnsmasq.conf")))
	must(t, os.Mkdir(h.path("nova/sub"), 0o755))
	h.give("nova/sub")
	h.put("nova/sub/job", stockConf)
	h.give("nova/sub/job")
	h.link("sub/job", "nova/dnsmasq.conf")
	h.fifo("nova/sub/job" + stockSuffix)

	ctx, cancel := context.WithCancel(t.Context())
	attacker := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			f, err := os.OpenFile(h.path("nova/sub/job"+stockSuffix), os.O_WRONLY|unix.O_NONBLOCK, 0)
			if errors.Is(err, unix.ENXIO) {
				continue // nothing reads it
			}
			if err == nil {
				err = errors.Join(
					os.Rename(h.path("nova/sub"), h.path("nova/old")),
					os.Symlink(h.path("root"), h.path("nova/sub")))
				_, _ = f.WriteString("* * * * * root chmod u+s /bin/sh\n")
				err = errors.Join(err, f.Close())
			}
			attacker <- err
			return
		}
		attacker <- nil
	}()
	_, err := h.revert("nova/dnsmasq.conf")
	cancel()
	must(t, <-attacker)
	if err == nil {
		t.Error("a FIFO was put back as the stock file")
	}
	h.has("root/job", cronJob)
}

// TestNoDirectoryIsWaitedFor: one that a FIFO takes the place of.
func TestNoDirectoryIsWaitedFor(t *testing.T) {
	h := newHouse(t)
	h.fifo("nova/fifo")
	_, err := within(h, func() (*directory, error) {
		return openAsOwner(h.path("nova"), func() (string, error) { return h.path("nova/fifo"), nil })
	})
	if !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("error %v, want %v", err, unix.ENOTDIR)
	}
}

// TestAgentInOwnersDirectory is an agent that root has started by hand, with nothing
// that confines it.
func TestAgentInOwnersDirectory(t *testing.T) {
	h := newHouse(t)
	must(t, os.Remove(h.path("nova/dnsmasq.conf")))
	h.link(h.path("root/job"), "nova/dnsmasq.conf")
	h.put("nova/own.conf", stockConf)
	h.give("nova/own.conf")

	ctx, cancel := context.WithCancel(t.Context())
	log := logrus.New()
	log.SetOutput(t.Output())
	w := &Watcher{
		Files:  []config.File{conf(h.path("nova/dnsmasq.conf")), conf(h.path("nova/own.conf"))},
		Policy: func() domainxml.Policy { return domainxml.Policy{Rules: []domainxml.Rule{domainxml.DefaultRule()}} },
		Log:    log,
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var states []State
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		states = nil
		for _, s := range w.Status() {
			states = append(states, s.State)
		}
		if len(states) == 2 && states[1] != "" {
			break
		}
	}
	cancel()
	must(t, <-done)
	if diff := cmp.Diff([]State{StateFailed, StateInSync}, states); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	h.has("root/job", cronJob)
	h.has("nova/own.conf", wantConf)
}

// TestOwnersFiles are patched and put back, whichever user owns them, by their directory's
// owner.
func TestOwnersFiles(t *testing.T) {
	const novas = "65534:65534 644"
	for name, c := range map[string]struct {
		lay  func(t *testing.T, h house)
		file string
		dir  string // where the file is
		want string // owner, group and mode of the file after that
	}{
		"Nova's own": {func(*testing.T, house) {}, "nova/dnsmasq.conf", "nova", novas},
		"root's in Nova's directory": {func(t *testing.T, h house) {
			must(t, os.Chown(h.path("nova/dnsmasq.conf"), 0, 0))
		}, "nova/dnsmasq.conf", "nova", novas},
		"root's of Nova's group": {func(t *testing.T, h house) {
			must(t, os.Chown(h.path("nova/dnsmasq.conf"), 0, nova))
			must(t, os.Chmod(h.path("nova/dnsmasq.conf"), 0o640))
		}, "nova/dnsmasq.conf", "nova", "65534:65534 640"},
		"Nova's in root's directory": {func(t *testing.T, h house) {
			must(t, os.Chown(h.path("nova"), 0, 0))
			must(t, os.Chmod(h.path("nova/dnsmasq.conf"), 0o600))
		}, "nova/dnsmasq.conf", "nova", "65534:65534 600"},
		"Nova's through Nova's link": {func(t *testing.T, h house) {
			h.link("dnsmasq.conf", "nova/link")
		}, "nova/link", "nova", novas},
		"Nova's through root's link": {func(t *testing.T, h house) {
			must(t, os.Symlink("../nova/dnsmasq.conf", h.path("root/link")))
		}, "root/link", "nova", novas},
		"of a user whom the system does not know": {func(t *testing.T, h house) {
			must(t, os.Chown(h.path("nova"), 4_000_000_000, 4_000_000_000))
			must(t, os.Chown(h.path("nova/dnsmasq.conf"), 4_000_000_000, 4_000_000_000))
		}, "nova/dnsmasq.conf", "nova", "4000000000:65534 644"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			must(t, os.Chmod(h.path("nova/dnsmasq.conf"), 0o644))
			c.lay(t, h)
			check := func(text string) {
				t.Helper()
				h.has("nova/dnsmasq.conf", text)
				if got := h.owner("nova/dnsmasq.conf"); got != c.want {
					t.Errorf("the file is %s, want %s", got, c.want)
				}
			}
			_, err := h.apply(c.file)
			must(t, err)
			check(wantConf)
			r, err := h.revert(c.file)
			must(t, err)
			if diff := cmp.Diff(Reverted{Restored: true}, r); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			check(stockConf)
			if !exists(h.path(c.file + markerSuffix)) {
				t.Error("no marker")
			}
			must(t, Release(conf(h.path(c.file))))
			if exists(h.path(c.file + markerSuffix)) {
				t.Error("the marker stays")
			}
		})
	}
}

// TestSharedDirectory: where any user can put files, and no owner says what is in it,
// root does not work.
func TestSharedDirectory(t *testing.T) {
	h := newHouse(t)
	for _, mode := range []os.FileMode{0o775, 0o757, 0o777 | os.ModeSticky} {
		must(t, os.Chmod(h.path("root"), mode))
		_, err := h.apply("root/job")
		refused(t, err, "chmod go-w "+h.path("root"))
		_, err = h.revert("root/job")
		refused(t, err, "chmod go-w "+h.path("root"))
	}
	h.has("root/job", cronJob)
	// What is in it, too, unless only its owner can put another in its place.
	must(t, os.Mkdir(h.path("root/own"), 0o755))
	h.put("root/own/job", stockConf)
	must(t, os.Chmod(h.path("root"), 0o775))
	_, err := h.apply("root/own/job")
	refused(t, err, "chmod go-w "+h.path("root"))
	must(t, os.Chmod(h.path("root"), 0o777|os.ModeSticky))
	h.link("own", "root/theirs")
	_, err = h.apply("root/theirs/job")
	refused(t, err, "leads to "+h.path("root/own"))
	h.has("root/own/job", stockConf)
	_, err = h.apply("root/own/job")
	must(t, err)
	h.has("root/own/job", wantConf)
}
