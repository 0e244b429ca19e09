package domainxml_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestWalk takes domains through random steps of operators and of virt-netboot. After
// each, libvirt accepts the domain, and virt-netboot's step once more changes nothing.
// In the end a revert leaves what the operators have set last.
func TestWalk(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newWalk(t, seed).run() })
	}
}

type walk struct {
	*story
	rand  *rand.Rand
	steps []string
	want  settings
	set   int // counts what operators have set
}

// settings are what operators set and the rules change.
type settings struct{ Order, NIC1, NIC2, Kernel string }

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{story: newStory(t, ""), rand: rand.New(rand.NewPCG(seed, 0))}
	w.editOrder()
	w.editFilter()
	if w.rand.IntN(2) == 0 {
		w.editKernel()
	}
	return w
}

func (w *walk) run() {
	edits := []func(){w.editOrder, w.editFilter, w.editKernel, w.editMAC}
	ours := []func(){w.rewrite, w.rewrite, w.rewrite, w.mark, w.apply, w.once}
	for range 12 {
		step := pick(w.rand, ours)
		if w.rand.IntN(3) == 0 {
			step = pick(w.rand, edits)
		}
		step()
		w.check()
	}
	w.log("revert")
	w.mark()
	w.check()
	if w.want.Order == "" {
		w.want.Order = w.order()
	}
	if diff := cmp.Diff(w.want, w.now()); diff != "" {
		w.t.Errorf("in the end (-set last +reverted):\n%s", diff)
	}
	reverted := w.doc
	if w.mark(); w.doc != reverted || len(w.says) > 0 {
		w.t.Errorf("a second revert: %q\n%s", w.says, w.doc)
	}
	w.apply()
	if strings.Contains(w.doc, "netboot") {
		w.t.Error("after apply something of ours is left")
	}
	if w.t.Failed() {
		w.t.Logf("%s\n%s", strings.Join(w.steps, "\n"), w.doc)
	}
}

func (w *walk) now() settings {
	return settings{w.order(), w.filters("nic1"), w.filters("nic2"), w.kernel()}
}

func (w *walk) log(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

// check is what libvirt refuses, and QEMU ignores.
func (w *walk) check() {
	w.t.Helper()
	now := w.now()
	w.log("  %+v", now)
	orders := regexp.MustCompile(`=(\d+)`).FindAllString(now.Order, -1)
	if n := len(orders); n > 0 && n != 1+strings.Count(now.Order, ", ") {
		w.t.Errorf("both notations: %s", now.Order)
	}
	slices.Sort(orders)
	if len(slices.Compact(slices.Clone(orders))) != len(orders) {
		w.t.Errorf("an order twice: %s", now.Order)
	}
	for _, name := range []string{"<kernel>", "<initrd>", "<cmdline>"} {
		if strings.Count(now.Kernel, name) > 1 {
			w.t.Errorf("two of %s", name)
		}
	}
	if strings.Contains(now.NIC1+now.NIC2, ",") {
		w.t.Errorf("two filters of one interface: %s; %s", now.NIC1, now.NIC2)
	}
}

func (w *walk) editOrder() {
	w.want.Order = pick(w.rand, []string{
		"hd", "hd, network", "cdrom, hd", "cdrom, network, hd",
		"vda=1", "vda=1, nic1=2", "sda=2, vda=4", "vdb=1, nic2=2, vda=3, nic1=4",
	})
	order := w.want.Order
	if w.rand.IntN(4) == 0 { // with the network first, it is not said what is to come back
		w.want.Order = ""
		order = pick(w.rand, []string{"network", "network, cdrom", "nic1=1, vda=2", "nic2=1, nic1=2, sda=7, vda=8"})
	}
	w.log("boot order %s", order)
	w.setOrder(order)
}

func (w *walk) editFilter() {
	w.set++
	filter := fmt.Sprintf("f%d", w.set)
	nic := pick(w.rand, []string{"nic1", "nic2"})
	w.log("filter %s of %s", filter, nic)
	w.setFilters(nic, filter)
	if nic == "nic1" {
		w.want.NIC1 = filter
	} else {
		w.want.NIC2 = filter
	}
}

func (w *walk) editKernel() {
	w.set++
	w.want.Kernel = fmt.Sprintf("<kernel>/k%d</kernel><initrd>%s</initrd><cmdline>c%d</cmdline>", w.set, pick(w.rand, []string{"/script", "/i"}), w.set)
	w.log("kernel %s", w.want.Kernel)
	w.setKernel(w.want.Kernel)
}

func (w *walk) editMAC() {
	w.set++
	nic, mac := pick(w.rand, []string{"nic1", "nic2"}), fmt.Sprintf("52:54:00:00:01:%02x", w.set)
	w.log("%s of %s", mac, nic)
	w.setMAC(nic, mac)
	// It is another interface then: what was taken from the one before does not go back to it.
	w.want.Order = ""
	if nic == "nic1" {
		w.want.NIC1 = w.filters(nic)
	} else {
		w.want.NIC2 = w.filters(nic)
	}
}

func (w *walk) rewrite() {
	rule := pick(w.rand, []func(*domainxml.Rule){bootAll, bootSecond, whileBlank, func(*domainxml.Rule) {}, func(r *domainxml.Rule) { r.Boot = domainxml.BootKeep }})
	filter := pick(w.rand, []func(*domainxml.Rule){keepFilter, replaceFilter("r"), replaceFilter("s"), func(*domainxml.Rule) {}})
	kernel := pick(w.rand, []func(*domainxml.Rule){dropKernel, func(*domainxml.Rule) {}})
	w.define(rule, filter, kernel)
	w.log("rewritten: %q", w.says)
	before := w.doc
	if w.define(rule, filter, kernel); w.doc != before || len(w.says) > 0 {
		w.t.Errorf("a second rewrite: %q\n%s", w.says, cmp.Diff(before, w.doc))
	}
}

func (w *walk) once() {
	once := pick(w.rand, []domainxml.Once{domainxml.OncePending, domainxml.OnceDone, domainxml.OnceNone})
	w.take(domainxml.Rewriter{}.Rewrite(w.document().WithOnce(once), domainxml.Inactive))
	w.log("once: %q", w.says)
	w.rewrite()
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
