package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/config"
	"github.com/virt-netboot/virt-netboot/internal/existing"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
)

// DefaultTimeout leaves a slow machine half a second to start the hook and to
// log, within the two seconds that a start may be held up.
const DefaultTimeout = 1500 * time.Millisecond

// maxDocument is twice the longest string that libvirt accepts from a client
// (REMOTE_STRING_MAX in src/remote/remote_protocol.x).
const maxDocument = 8 << 20

// usualDocument is more than Nova writes for an instance.
const usualDocument = 16 << 10

// Handler answers calls. Every field must be set.
type Handler struct {
	// Config is the path of the configuration; see package internal/config.
	Config string
	// Existing is the path of the list of the domains that existing: keep leaves; see
	// package internal/existing.
	Existing string
	// ReadInitrd is as in [domainxml.Rewriter].
	ReadInitrd func(path string, n int) ([]byte, error)
	// ReadDisk is as in [domainxml.Rewriter].
	ReadDisk func(disk domainxml.DiskSource, n int) ([]byte, error)
	// NWFilter is as in [domainxml.Rewriter].
	NWFilter func(name string) domainxml.NWFilter
	// Timeout is how long one call may take. After that the document goes on
	// unchanged, and Exit ends the program although it still waits.
	Timeout time.Duration
	Exit    func(status int)
	Log     *logrus.Logger
	// Report tells the agent of a call, after the answer is written.
	Report func(hookreport.Report)

	Stdin          io.Reader // the domain's document
	Stdout, Stderr io.Writer
}

// Handle answers one call and returns the exit status: 1 where the policy
// refuses the domain's start, else 0.
func (h Handler) Handle(call Call) int {
	state, ok := call.Operation.state()
	if !ok {
		return 0
	}
	var doing step
	timer := time.AfterFunc(h.Timeout, func() {
		h.Exit(h.give(call, passed(call, "gave up after %v while %s", h.Timeout, doing.get())))
	})
	a := h.work(call, state, &doing)
	if !timer.Stop() {
		select {} // the timer's function is ending the program
	}
	return h.give(call, a)
}

// work finds the answer. It writes nothing, so it may be abandoned at any point.
func (h Handler) work(call Call, state domainxml.State, doing *step) (a answer) {
	defer func() {
		if fault := recover(); fault != nil {
			a = passed(call, "fault while %s: %v", doing.get(), fault)
			a.log[0].fields["STACK"] = string(debug.Stack())
		}
	}()
	doing.set("reading the domain's document from standard input")
	doc, unread := readDocument(h.Stdin)
	if unread != nil {
		unread = fmt.Errorf("%s: %w", doing.get(), unread)
	}
	doing.set("reading the configuration " + h.Config)
	cfg, err := config.Load(h.Config)
	if err != nil {
		return passed(call, "%v", err)
	}
	if level, err := logrus.ParseLevel(string(cfg.Log.Level)); err == nil {
		h.Log.SetLevel(level)
	}
	at := door{gateway: cfg.Gateway.Listen, config: h.Config, observes: "mode: observe"}
	r := h.rewriter(cfg, doing)
	doing.set("applying the rules to the domain's document")
	var d *domainxml.Document
	if unread == nil {
		if d, err = domainxml.Parse(doc); err != nil {
			unread = fmt.Errorf("%s: %w", doing.get(), err)
		}
	}
	if unread != nil {
		domain := head(doc, call.Domain)
		r.Policy.Observe = r.Policy.Observe || h.keeps(cfg, domain)
		return unchecked(call, r.Policy, r.Policy.MayDeny(domain), unread, at)
	}
	if !r.Policy.Observe && !d.HasRecord() && h.keeps(cfg, d.Domain()) {
		r.Policy.Observe, at.observes = true, "existing: keep"
	}
	res, err := r.Rewrite(d, state)
	if err != nil {
		return unchecked(call, r.Policy, r.Policy.For(d.Domain()), fmt.Errorf("%s: %w", doing.get(), err), at)
	}
	return decide(call, res, at)
}

// keeps reports whether the configuration leaves a domain, to which nothing was done, as
// one that was there when the mode became enforce. Without a list that can be read none
// was.
func (h Handler) keeps(cfg config.Config, d domainxml.Domain) bool {
	if cfg.Existing != config.ExistingKeep {
		return false
	}
	there, err := existing.Read(h.Existing)
	return err == nil && there[d.UUID]
}

// head is what a document that cannot be read says of its domain up to its UUID. libvirt
// writes type, name and UUID first, and of those only the name is the client's
// (virDomainDefFormatInternalSetRootName in src/conf/domain_conf.c).
func head(doc []byte, name string) domainxml.Domain {
	const end = "</uuid>"
	if i := bytes.Index(doc, []byte(end)); i >= 0 {
		if d, err := domainxml.Parse([]byte(string(doc[:i]) + end + "</domain>")); err == nil {
			return d.Domain()
		}
	}
	return domainxml.Domain{Name: name, Type: "qemu"}
}

func (h Handler) rewriter(cfg config.Config, doing *step) domainxml.Rewriter {
	return domainxml.Rewriter{
		Policy: cfg.Policy(),
		ReadInitrd: func(path string, n int) ([]byte, error) {
			before := doing.get()
			doing.set("reading initrd " + path)
			defer doing.set(before)
			return h.ReadInitrd(path, n)
		},
		ReadDisk: func(disk domainxml.DiskSource, n int) ([]byte, error) {
			before := doing.get()
			doing.set("reading disk " + disk.Path)
			defer doing.set(before)
			return h.ReadDisk(disk, n)
		},
		NWFilter: h.NWFilter,
	}
}

// readDocument reads the document. With an error there is what could be read of it.
func readDocument(r io.Reader) ([]byte, error) {
	var doc bytes.Buffer
	doc.Grow(usualDocument)
	_, err := doc.ReadFrom(io.LimitReader(r, maxDocument+1))
	switch {
	case err != nil:
	case doc.Len() == 0:
		err = errors.New("it is empty")
	case doc.Len() > maxDocument:
		err = fmt.Errorf("it is longer than %d MiB", maxDocument>>20)
	}
	return doc.Bytes(), err
}

// give writes the answer: the document and the refusal first, since they must not
// depend on a log that may hang or fail.
func (h Handler) give(call Call, a answer) int {
	if len(a.stdout) > 0 {
		if _, err := h.Stdout.Write(a.stdout); err != nil {
			a.log = append(a.log, passed(call, "printing the domain's new document: %v", err).log...)
		}
	}
	if a.stderr != "" {
		// The exit status refuses the start, also without the line.
		_, _ = io.WriteString(h.Stderr, a.stderr)
	}
	h.Report(hookreport.Report{Operation: string(call.Operation), Result: a.result, Domain: call.Domain})
	h.write(a.log)
	return a.status
}

func (h Handler) write(lines []logLine) {
	// A fault of the log must not cost the guest its start.
	defer func() { _ = recover() }()
	for _, l := range lines {
		h.Log.WithFields(l.fields).Log(l.level, l.message)
	}
}

// step is what a call is doing, for the message when it takes too long.
type step struct{ what atomic.Pointer[string] }

func (s *step) set(what string) { s.what.Store(&what) }

func (s *step) get() string {
	if what := s.what.Load(); what != nil {
		return *what
	}
	return "starting"
}
