package reconcile

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/agent/libvirt"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

var update = flag.Bool("update", false, "write what comes out into testdata")

// TestScripts runs testdata/*.script, one behaviour a file. A line with a $ is what
// happens, and below it is what the reconciler then calls and logs. Repeated reads of
// the same domain are one line. What can happen:
//
//	define DOMAIN [WORD...]   a client defines it; the words, see document, say how
//	start DOMAIN, stop DOMAIN
//	undefine DOMAIN
//	unseen ...                any of these, and no event says so
//	gateway ...               any of these through the gateway, which waits for the domain
//	                          to be in sync
//	meanwhile ...             any of these, right after the next time it is read
//	refuse [MESSAGE]          libvirt refuses definitions, or does so no more
//	silence [DOMAIN]          libvirt does not answer about it, or does again
//	fail [DOMAIN]             libvirt answers an error about it, or no more
//	break                     the connection ends at the next definition
//	policy [observe]          the policy has changed, to that mode
//	keep DOMAIN...            these were there when the mode became enforce
//	wait DURATION             time passes
//	status                    prints when the last pass ended, what is shown of each
//	                          domain, and what is remembered
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.script")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".script"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(want)) })
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// play runs a script and returns it with what came out.
func play(t *testing.T, script string) string {
	s := newStage(t)
	var out strings.Builder
	for line := range strings.Lines(script) {
		command, ok := strings.CutPrefix(line, "$ ")
		if ok {
			s.run(strings.Fields(command))
		}
		if ok || strings.HasPrefix(line, "#") || line == "\n" {
			out.WriteString(line)
		}
		if ok {
			synctest.Wait()
			out.WriteString(s.noted())
		}
	}
	return out.String()
}

// stage is a reconciler that runs, and its libvirt.
type stage struct {
	t *testing.T
	*fakeLibvirt
	reconciler *Reconciler
	observe    bool
	keep       []string

	mu    sync.Mutex
	notes []string
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t}
	s.fakeLibvirt = &fakeLibvirt{note: s.add, domains: map[string]libvirt.State{}}
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(s)
	s.reconciler = New(Options{
		Connect:  s.connect,
		Rewriter: func() domainxml.Rewriter { return domainxml.Rewriter{Policy: domainxml.DefaultPolicy()} },
		Observe:  func() bool { return s.observe },
		Existing: s,
		Log:      log,
		Clock:    Clock{Now: func() time.Time { return time.Now().UTC() }, After: time.After},
	})
	go s.reconciler.Run(t.Context())
	synctest.Wait()
	s.noted() // forgets that it connects
	return s
}

// Listed and Keeps have the domains that were there named by the script.
func (s *stage) Listed(bool, []string) error { return nil }

func (s *stage) Keeps(uuid string) bool { return slices.Contains(s.keep, uuid) }

// Levels and Fire have the log among what is noted.
func (s *stage) Levels() []logrus.Level { return logrus.AllLevels }

func (s *stage) Fire(e *logrus.Entry) error {
	by := regexp.MustCompile(`the next attempt is in [0-9.]+m?s`)
	s.add("%s: %s", e.Level, by.ReplaceAllString(e.Message, "the next attempt is soon"))
	return nil
}

func (s *stage) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note := fmt.Sprintf(format, args...)
	if n := len(s.notes); n > 0 && s.notes[n-1] == note && strings.HasPrefix(note, "read ") {
		return
	}
	s.notes = append(s.notes, note)
}

// noted is what was noted since it was last called, a line each.
func (s *stage) noted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines strings.Builder
	for _, note := range s.notes {
		lines.WriteString(note + "\n")
	}
	s.notes = nil
	return lines.String()
}

func (s *stage) run(args []string) {
	switch what, rest := args[0], args[1:]; what {
	case "unseen":
		s.change(rest, false)
	case "gateway":
		s.change(rest, true)
		s.reconciler.Sync(s.t.Context(), rest[1])
	case "meanwhile":
		s.meanwhile = func() { s.change(rest, true) }
	case "refuse":
		s.refuses = strings.Join(rest, " ")
	case "silence":
		s.silent = strings.Join(rest, " ")
	case "fail":
		s.failing = strings.Join(rest, " ")
	case "break":
		s.breaks = true
	case "keep":
		s.keep = rest
	case "policy":
		s.observe = slices.Contains(rest, "observe")
		s.reconciler.PolicyChanged()
	case "wait":
		wait, err := time.ParseDuration(rest[0])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(wait)
	case "status":
		s.status()
	default:
		s.change(args, true)
	}
}

// change does to a domain what another program may do.
func (s *stage) change(args []string, seen bool) {
	s.fakeLibvirt.mu.Lock()
	defer s.fakeLibvirt.mu.Unlock()
	what, name := args[0], args[1]
	d := s.domains[name]
	d.Name, d.UUID = name, name
	switch what {
	case "define":
		d.Inactive, d.Persistent = document(args[2:]), true
	case "start":
		d.Live, d.Active = d.Inactive, true
	case "stop":
		d.Live, d.Active = nil, false
	case "undefine":
	default:
		s.t.Fatalf("unknown command %q", what)
	}
	s.domains[name] = d
	if what == "undefine" {
		delete(s.domains, name)
	}
	if seen {
		s.tell(name)
	}
}

// document is a domain that boots from its disk, unless the words say otherwise.
func document(words []string) []byte {
	metadata, boot, filter := "", disk, ""
	for _, word := range words {
		switch word {
		case "network":
			boot = net
		case "kernel":
			boot = net + kernel
		case "nova-base":
			filter = nova
		case "reverted":
			metadata = mark
		case "recorded": // as the gateway leaves it
			metadata = strings.Replace(mark, ` reverted="yes"`, "", 1)
		case "once":
			metadata = strings.Replace(mark, `reverted="yes"`, `once="pending"`, 1)
		case "unreadable":
			return []byte("<domain")
		}
	}
	return doc(metadata, boot, filter)
}

// status notes what virt-netboot status shows, and what only the reconciler knows.
func (s *stage) status() {
	shown := s.reconciler.Status()
	s.add("last pass: %s", shown.LastReconcile.Format(time.TimeOnly))
	for _, d := range shown.Domains {
		line := d.Name + " boots from " + string(d.BootsFrom)
		if d.Error != "" {
			line += "; error: " + d.Error
		}
		if !d.BackingOffUntil.IsZero() {
			line += "; backing off until " + d.BackingOffUntil.Format(time.TimeOnly)
		}
		for _, w := range d.Warnings {
			line += "; warning " + string(w.Kind)
		}
		s.add("shown: %s", line)
	}
	s.reconciler.mu.Lock()
	remembered := slices.Sorted(maps.Keys(s.reconciler.domains))
	s.reconciler.mu.Unlock()
	for _, uuid := range remembered {
		s.add("remembered: %s reverted=%t once=%q", uuid, s.reconciler.Reverted(uuid), s.reconciler.Once(uuid))
	}
}

// What the documents of scripts consist of.
const (
	nova   = "<filterref filter='nova-base'/>"
	mark   = `<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0" reverted="yes"/></metadata>`
	disk   = "<boot dev='hd'/>"
	net    = "<boot dev='network'/><boot dev='hd'/>"
	kernel = "<kernel>/k</kernel>"
)

// doc is a domain with those elements in it.
func doc(metadata, boot, filterref string) []byte {
	return fmt.Appendf(nil, `<domain type='kvm'><name>a</name><uuid>7e1b2a3c-0000-4000-8000-000000000001</uuid>%s`+
		`<os><type>hvm</type>%s</os><devices><interface type='bridge'><mac address='52:54:00:00:00:01'/>%s</interface></devices></domain>`,
		metadata, boot, filterref)
}
