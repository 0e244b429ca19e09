package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/virt-netboot/virt-netboot/agent/reconcile"
	"github.com/virt-netboot/virt-netboot/domainxml"
)

// TestDomainCollector: a domain counts once for its state, and once for each kind of
// warning that it has.
func TestDomainCollector(t *testing.T) {
	kernel, rom := domainxml.Warning{Kind: domainxml.WarningKernel}, domainxml.Warning{Kind: domainxml.WarningROMOff}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newDomainCollector(func() reconcile.Status {
		return reconcile.Status{Domains: []reconcile.DomainStatus{
			{Rule: "default", Warnings: []domainxml.Warning{kernel}},
			{Rule: "default", Warnings: []domainxml.Warning{rom, rom, kernel}},
			{Rule: "default", Error: "x", Warnings: []domainxml.Warning{kernel}},
			{Rule: "default"},
		}}
	}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if v := m.GetGauge().GetValue(); v != 0 {
				got[f.GetName()+" "+m.GetLabel()[0].GetValue()] = v
			}
		}
	}
	want := map[string]float64{
		"virt_netboot_domains warned": 2, "virt_netboot_domains failed": 1, "virt_netboot_domains in-sync": 1,
		"virt_netboot_domain_warnings kernel": 3, "virt_netboot_domain_warnings option-rom-off": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
