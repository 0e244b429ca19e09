package hooks

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
)

// outcome is what libvirt and the log see of one call.
type outcome struct {
	stdout, stderr bytes.Buffer
	log            *logtest.Hook
	reports        []hookreport.Report
}

// handler is a Handler whose output is the outcome.
func handler(t testing.TB, config string, stdin io.Reader) (Handler, *outcome) {
	t.Helper()
	log, hook := logtest.NewNullLogger()
	out := &outcome{log: hook}
	return Handler{
		Config:     config,
		ReadInitrd: func(string, int) ([]byte, error) { return nil, os.ErrNotExist },
		ReadDisk:   func(domainxml.DiskSource, int) ([]byte, error) { return nil, os.ErrNotExist },
		NWFilter:   func(string) domainxml.NWFilter { return domainxml.NWFilter{State: domainxml.NWFilterDefined} },
		Timeout:    time.Minute,
		Exit:       func(int) { t.Error("gave up after a minute") },
		Log:        log,
		Report:     func(r hookreport.Report) { out.reports = append(out.reports, r) },
		Stdin:      stdin,
		Stdout:     &out.stdout,
		Stderr:     &out.stderr,
	}, out
}

func call(o Operation) Call {
	return Call{Domain: "instance-0000006c", Operation: o}
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rewritten is a document with the default rule applied.
func rewritten(t *testing.T, name string, o Operation) string {
	t.Helper()
	state, _ := o.state()
	res, err := domainxml.Rewriter{Policy: domainxml.DefaultPolicy()}.Domain([]byte(read(t, name)), state)
	if err != nil || !res.Changed() {
		t.Fatalf("the rules change nothing in %s: %v", name, err)
	}
	return string(res.Output)
}

func TestHandle(t *testing.T) {
	for _, c := range []struct {
		name       string
		operation  Operation
		config     string // in testdata
		document   string // in testdata
		wantStatus int
		wantStdout bool   // the rewritten document, or nothing
		wantStderr string // a part of it; "" for nothing
		wantLog    int    // lines
		wantResult hookreport.Result
	}{
		{"prepare", Prepare, "enforce.yaml", "unprepared.xml", 0, true, "", 2, hookreport.Unprepared},
		{"prepare, nothing to do", Prepare, "enforce.yaml", "prepared.xml", 0, false, "", 0, hookreport.Unchanged},
		{"prepare, denied", Prepare, "deny.yaml", "unprepared.xml", 1, false, "domain instance-0000006c may not start", 2, hookreport.Denied},
		{"prepare, nothing to deny", Prepare, "deny.yaml", "prepared.xml", 0, false, "", 0, hookreport.Unchanged},
		{"prepare, a kernel is not denied", Prepare, "deny.yaml", "kernel.xml", 0, false, "", 1, hookreport.Unchanged},
		{"prepare, a rescue is not denied", Prepare, "deny.yaml", "rescue.xml", 0, false, "", 1, hookreport.Unchanged},
		{"prepare, no rule", Prepare, "norules.yaml", "unprepared.xml", 0, false, "", 0, hookreport.Unchanged},
		{"prepare, not of QEMU", Prepare, "deny.yaml", "lxc.xml", 0, false, "", 0, hookreport.Unchanged},
		{"migrate", Migrate, "enforce.yaml", "unprepared.xml", 0, true, "", 2, hookreport.Rewritten},
		{"migrate, nothing to do", Migrate, "enforce.yaml", "prepared.xml", 0, false, "", 0, hookreport.Unchanged},
		{"migrate, never denied", Migrate, "deny.yaml", "unprepared.xml", 0, true, "", 2, hookreport.Rewritten},
		{"migrate, no configuration", Migrate, "none.yaml", "unprepared.xml", 0, false, "", 2, hookreport.Observed},
		{"restore", Restore, "enforce.yaml", "unprepared.xml", 0, true, "", 2, hookreport.Rewritten},
		{"restore, a kernel, which prepare warns of", Restore, "enforce.yaml", "kernel.xml", 0, false, "", 0, hookreport.Unchanged},
		{"broken configuration", Prepare, "broken.yaml", "unprepared.xml", 0, false, "", 1, hookreport.Passed},
		{"unreadable configuration", Prepare, ".", "unprepared.xml", 0, false, "", 1, hookreport.Passed},
		{"not XML", Prepare, "enforce.yaml", "deny.yaml", 0, false, "", 1, hookreport.Passed},
		{"not XML, denied", Prepare, "deny.yaml", "deny.yaml", 1, false, "unprepared: deny, and the document cannot be checked", 1, hookreport.Denied},
		{"not XML, restore", Restore, "deny.yaml", "deny.yaml", 0, false, "", 1, hookreport.Passed},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, out := handler(t, "testdata/"+c.config, strings.NewReader(read(t, c.document)))
			status := h.Handle(call(c.operation))
			if status != c.wantStatus {
				t.Errorf("status %d, want %d", status, c.wantStatus)
			}
			want := ""
			if c.wantStdout {
				want = rewritten(t, c.document, c.operation)
			}
			if got := out.stdout.String(); got != want {
				t.Errorf("stdout:\n%s\nwant:\n%s", got, want)
			}
			got := out.stderr.String()
			if !strings.Contains(got, c.wantStderr) || (got == "") != (c.wantStderr == "") || strings.Count(got, "\n") > 1 {
				t.Errorf("stderr %q, want %q on one line", got, c.wantStderr)
			}
			if entries := out.log.AllEntries(); len(entries) != c.wantLog {
				t.Errorf("%d lines in the log, want %d: %v", len(entries), c.wantLog, entries)
			}
			report := hookreport.Report{Operation: string(c.operation), Result: c.wantResult, Domain: call(c.operation).Domain}
			if diff := cmp.Diff([]hookreport.Report{report}, out.reports); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
		})
	}
}

// At every other operation nothing is read, loaded or written.
func TestHandleOtherOperations(t *testing.T) {
	for _, o := range []Operation{"start", "started", "stopped", "release", "reconnect", "attach", "", "of-a-later-libvirt"} {
		stdin := strings.NewReader(read(t, "unprepared.xml"))
		before := stdin.Len()
		h, out := handler(t, "testdata/broken.yaml", stdin)
		if status := h.Handle(call(o)); status != 0 {
			t.Errorf("%s: status %d", o, status)
		}
		if stdin.Len() != before {
			t.Errorf("%s: read the document", o)
		}
		if n := out.stdout.Len() + out.stderr.Len() + len(out.log.AllEntries()) + len(out.reports); n > 0 {
			t.Errorf("%s: said %q, %q, %v", o, &out.stdout, &out.stderr, out.log.AllEntries())
		}
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("in Read") }
func (panics) Levels() []logrus.Level   { return logrus.AllLevels }
func (panics) Fire(*logrus.Entry) error { panic("in the log") }

// With any bad input the document goes on unchanged, and the log says why. At prepare
// unprepared: deny refuses the start, unless the program itself is at fault.
func TestHandleBadInput(t *testing.T) {
	for _, c := range []struct {
		name    string
		stdin   io.Reader
		wantLog string
	}{
		{"empty", strings.NewReader(""), "reading the domain's document from standard input: it is empty"},
		{"failing", iotest.ErrReader(errors.New("bad descriptor")), "reading the domain's document from standard input: bad descriptor"},
		{"too long", io.LimitReader(zeros{}, 50<<20), "it is longer than 8 MiB"},
		{"endless", zeros{}, "it is longer than 8 MiB"},
		{"binary", io.LimitReader(zeros{}, 4096), "applying the rules to the domain's document: "},
		{"deep", strings.NewReader(strings.Repeat("<domain>", 1<<20)), "applying the rules to the domain's document: "},
		{"a fault", panics{}, "fault while reading the domain's document from standard input: in Read"},
	} {
		for _, o := range []Operation{Prepare, Migrate, Restore} {
			t.Run(c.name+" at "+string(o), func(t *testing.T) {
				h, out := handler(t, "testdata/deny.yaml", c.stdin)
				if s, ok := c.stdin.(*strings.Reader); ok {
					_, _ = s.Seek(0, io.SeekStart)
				}
				if l, ok := c.stdin.(*io.LimitedReader); ok {
					h.Stdin = &io.LimitedReader{R: l.R, N: l.N}
				}
				denied := o == Prepare && c.name != "a fault"
				if status := h.Handle(call(o)); (status == 1) != denied {
					t.Errorf("status %d", status)
				}
				if out.stdout.Len() > 0 || (out.stderr.Len() > 0) != denied {
					t.Errorf("said %.100q, %q", &out.stdout, &out.stderr)
				}
				e := out.log.LastEntry()
				if e == nil || e.Level != logrus.ErrorLevel || !strings.Contains(e.Message, c.wantLog) || e.Data["DOMAIN"] != "instance-0000006c" {
					t.Errorf("the log says %v, want an error with %q", e, c.wantLog)
				}
			})
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestHandleExisting: the hook leaves a domain that was there when the mode became
// enforce, as the reconciler does.
func TestHandleExisting(t *testing.T) {
	const uuid = "7e1b2a3c-0000-4000-8000-000000000001"
	recorded := strings.Replace(read(t, "unprepared.xml"), "<uuid>",
		`<metadata><netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0"/></metadata><uuid>`, 1)
	for _, c := range []struct {
		name, config, list, document string
		operation                    Operation
		want                         hookreport.Result
	}{
		{"there before", "mode: enforce\n", uuid + "\n", read(t, "unprepared.xml"), Restore, hookreport.Observed},
		{"there before, not denied", "rules: [{name: a, unprepared: deny}]\n", uuid + "\n", read(t, "unprepared.xml"), Prepare, hookreport.Observed},
		{"there before, existing: sync", "existing: sync\n", uuid + "\n", read(t, "unprepared.xml"), Restore, hookreport.Rewritten},
		{"defined since", "mode: enforce\n", uuid + "\n", recorded, Restore, hookreport.Rewritten},
		{"new", "mode: enforce\n", "another\n", read(t, "unprepared.xml"), Restore, hookreport.Rewritten},
		{"no list", "mode: enforce\n", "", read(t, "unprepared.xml"), Restore, hookreport.Rewritten},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "config.yaml")
			if err := os.WriteFile(path, []byte(c.config), 0o644); err != nil {
				t.Fatal(err)
			}
			h, out := handler(t, path, strings.NewReader(c.document))
			h.Existing = filepath.Join(dir, "existing")
			if c.list != "" {
				if err := os.WriteFile(h.Existing, []byte(c.list), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if status := h.Handle(call(c.operation)); status != 0 || out.reports[0].Result != c.want {
				t.Errorf("status %d, result %s, want %s", status, out.reports[0].Result, c.want)
			}
			for _, line := range out.log.AllEntries() {
				if c.want == hookreport.Observed && strings.Contains(line.Message, "boot order") && !strings.Contains(line.Message, "(existing: keep)") {
					t.Errorf("logged %q", line.Message)
				}
			}
		})
	}
}

// TestHandleUnread: which rule may be that of a domain whose document cannot be read. Its
// type, name and UUID are known where they come before what cannot be read.
func TestHandleUnread(t *testing.T) {
	const uuid = "7e1b2a3c-0000-4000-8000-000000000001"
	document := func(kind string) string {
		return "<domain type='" + kind + "'><name>instance-0000006c</name><uuid>" + uuid + "</uuid><metadata>&x;</metadata></domain>"
	}
	for _, c := range []struct {
		name, config, list, document string
		wantDenied                   bool
	}{
		{"a rule for all", "rules: [{name: a, unprepared: deny}]", "", document("kvm"), true},
		{"a rule for some project", "rules: [{name: a, match: {project: [lab]}, unprepared: deny}]", "", document("kvm"), true},
		{"a rule for another name", "rules: [{name: a, match: {name: [vm]}, unprepared: deny}]", "", document("kvm"), false},
		{"behind a rule for the name", "rules: [{name: a, match: {name: ['instance-*']}}, {name: b, unprepared: deny}]", "", document("kvm"), false},
		{"behind a rule for some project", "rules: [{name: a, match: {project: [lab]}}, {name: b, unprepared: deny}]", "", document("kvm"), true},
		{"mode: observe", "mode: observe\nrules: [{name: a, unprepared: deny}]", "", document("kvm"), false},
		{"no rule", "rules: []", "", document("kvm"), false},
		{"there before", "rules: [{name: a, unprepared: deny}]", uuid, document("kvm"), false},
		{"there before, existing: sync", "existing: sync\nrules: [{name: a, unprepared: deny}]", uuid, document("kvm"), true},
		{"not of QEMU", "rules: [{name: a, unprepared: deny}]", "", document("lxc"), false},
		{"nothing readable", "rules: [{name: a, match: {name: ['instance-*']}, unprepared: deny}]", uuid, "&x;" + document("kvm"), true},
		{"a rule has grown it too large", "rules: [{name: a, unprepared: deny}]", "", strings.Replace(read(t, "unprepared.xml"), "<metadata>", "<metadata>"+strings.Repeat("<a/>", 99_900), 1), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "config.yaml")
			if err := os.WriteFile(path, []byte(c.config+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			h, out := handler(t, path, strings.NewReader(c.document))
			h.Existing = filepath.Join(dir, "existing")
			if err := os.WriteFile(h.Existing, []byte(c.list+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			status := h.Handle(call(Prepare))
			if denied := status == 1; denied != c.wantDenied || denied != (out.reports[0].Result == hookreport.Denied) {
				t.Errorf("status %d, result %s, want denied %v: %v", status, out.reports[0].Result, c.wantDenied, out.log.LastEntry())
			}
		})
	}
}

// A log that panics costs neither the refusal nor the document.
func TestHandleFaultingLog(t *testing.T) {
	h, out := handler(t, "testdata/deny.yaml", strings.NewReader(read(t, "unprepared.xml")))
	h.Log.AddHook(panics{})
	if status := h.Handle(call(Prepare)); status != 1 || out.stderr.Len() == 0 {
		t.Errorf("denied: status %d, stderr %q", status, &out.stderr)
	}
	h, out = handler(t, "testdata/enforce.yaml", strings.NewReader(read(t, "unprepared.xml")))
	h.Log.AddHook(panics{})
	if status := h.Handle(call(Migrate)); status != 0 || out.stdout.String() != rewritten(t, "unprepared.xml", Migrate) {
		t.Errorf("migrate: status %d, stdout %q", status, &out.stdout)
	}
}

func TestHandleClosedStdout(t *testing.T) {
	h, out := handler(t, "testdata/enforce.yaml", strings.NewReader(read(t, "unprepared.xml")))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	h.Stdout = w
	if status := h.Handle(call(Migrate)); status != 0 {
		t.Errorf("status %d", status)
	}
	if e := out.log.LastEntry(); e == nil || !strings.Contains(e.Message, "printing the domain's new document: ") {
		t.Errorf("the log says %v", e)
	}
}

func TestHandleLogLevel(t *testing.T) {
	config := t.TempDir() + "/config.yaml"
	if err := os.WriteFile(config, []byte("log: {level: error}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, out := handler(t, config, strings.NewReader(read(t, "unprepared.xml")))
	h.Handle(call(Prepare))
	if entries := out.log.AllEntries(); len(entries) != 0 {
		t.Errorf("at level error, %d warnings in the log", len(entries))
	}
}

// TestHandleDisk has a rule that asks for the root disk, and one that does not.
func TestHandleDisk(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		head       []byte
		network    bool
		asked      int
	}{
		{"blank", "only_if: blank-disk", make([]byte, domainxml.BootSectors), true, 1},
		{"installed", "only_if: blank-disk", append(make([]byte, 510), 0x55, 0xaa), false, 1},
		{"always", "only_if: always", nil, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := t.TempDir() + "/config.yaml"
			if err := os.WriteFile(config, []byte("rules: [{"+c.rule+"}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			h, out := handler(t, config, strings.NewReader(`<domain type='kvm'><name>a</name><os><type>hvm</type></os>`+
				`<devices><disk type='file'><driver type='qcow2'/><source file='/disk'/></disk><interface type='user'/></devices></domain>`))
			asked := 0
			h.ReadDisk = func(disk domainxml.DiskSource, _ int) ([]byte, error) {
				if want := (domainxml.DiskSource{Path: "/disk", Format: "qcow2"}); disk != want {
					t.Errorf("reads %+v", disk)
				}
				asked++
				return c.head, nil
			}
			if status := h.Handle(call(Prepare)); status != 0 {
				t.Errorf("status %d", status)
			}
			if network := strings.Contains(out.stdout.String(), "dev='network'"); network != c.network || asked != c.asked {
				t.Errorf("network first: %v, want %v; asked %d times, want %d", network, c.network, asked, c.asked)
			}
		})
	}
}

// After the timeout the log names what hangs.
func TestHandleTimeout(t *testing.T) {
	for _, c := range []struct {
		name    string
		hang    func(h *Handler, until chan struct{})
		wantLog string
	}{
		{"stdin", func(h *Handler, until chan struct{}) {
			h.Stdin = io.MultiReader(blocked(until), h.Stdin)
		}, "while reading the domain's document from standard input"},
		{"initrd", func(h *Handler, until chan struct{}) {
			h.ReadInitrd = func(string, int) ([]byte, error) { <-until; return nil, nil }
		}, "while reading initrd /var/lib/nova/ramdisk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hang := make(chan struct{})
			h, out := handler(t, "testdata/deny.yaml", strings.NewReader(read(t, "kernel.xml")))
			c.hang(&h, hang)
			h.Timeout = 50 * time.Millisecond
			exited := make(chan int)
			h.Exit = func(status int) { exited <- status; select {} }
			start := time.Now()
			go func() { exited <- h.Handle(call(Prepare)) + 100 }()
			select {
			case status := <-exited:
				if status != 0 {
					t.Errorf("status %d (100 and more: from Handle)", status)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("does not give up")
			}
			if took := time.Since(start); took < h.Timeout {
				t.Errorf("gave up after %v", took)
			}
			close(hang)
			select {
			case status := <-exited:
				t.Errorf("answers after it has given up: %d", status)
			case <-time.After(100 * time.Millisecond):
			}
			if out.stdout.Len()+out.stderr.Len() > 0 {
				t.Errorf("said %q, %q", &out.stdout, &out.stderr)
			}
			if e := out.log.LastEntry(); e == nil || !strings.Contains(e.Message, "gave up after 50ms "+c.wantLog) {
				t.Errorf("the log says %v, want %q", e, c.wantLog)
			}
		})
	}
}

// blocked is a reader that waits, and then is at its end.
type blocked chan struct{}

func (b blocked) Read([]byte) (int, error) { <-b; return 0, io.EOF }
