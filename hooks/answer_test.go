package hooks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/hookreport"
)

func TestDecide(t *testing.T) {
	warn, deny := domainxml.DefaultRule(), domainxml.DefaultRule()
	deny.Name, deny.Unprepared = "strict", domainxml.UnpreparedDeny
	boot := domainxml.Change{Kind: domainxml.ChangeBootOrder, From: "hd", To: "network, hd"}
	filter := domainxml.Change{Kind: domainxml.ChangeFilterrefRemoved, Interface: "fa:16:3e:50:43:cd", From: "nova\nbase\u202e"}
	kernel := domainxml.Warning{Kind: domainxml.WarningKernel, Kernel: "/k", Initrd: "/i"}
	result := func(rule *domainxml.Rule, changes []domainxml.Change, warnings ...domainxml.Warning) domainxml.Result {
		return domainxml.Result{
			Domain: domainxml.Domain{Name: "vm", UUID: "7e1b"}, Rule: rule,
			Output: []byte("<domain/>"), Changes: changes, Warnings: warnings,
		}
	}
	changed := []domainxml.Change{boot, filter}
	observed := result(&deny, changed[:1])
	observed.Observed = true
	field := func(o Operation, rule, key, value string) logrus.Fields {
		return logrus.Fields{"DOMAIN": "vm", "UUID": "7e1b", "OPERATION": string(o), "RULE": rule, key: value}
	}
	kernelLine := func(o Operation, rule string) logLine {
		return logLine{logrus.WarnLevel, "vm: " + kernel.String(), field(o, rule, "WARNING", "kernel")}
	}

	for _, c := range []struct {
		name string
		op   Operation
		res  domainxml.Result
		want answer
	}{
		{"no rule", Prepare, result(nil, nil), answer{result: hookreport.Unchanged}},
		{"nothing to change", Prepare, result(&deny, nil), answer{result: hookreport.Unchanged}},
		{"nothing to change for the filter", Restore, result(&deny, nil), answer{result: hookreport.Unchanged}},
		{"prepare warns", Prepare, result(&warn, changed), answer{
			result: hookreport.Unprepared,
			stdout: []byte("<domain/>"),
			log: []logLine{
				{logrus.WarnLevel, `vm starts unprepared: rule "default" wants boot order network, hd instead of hd`, field(Prepare, "default", "CHANGE", "boot-order")},
				{logrus.WarnLevel, "vm starts unprepared: rule \"default\" wants filterref nova\nbase\u202e removed from interface fa:16:3e:50:43:cd", field(Prepare, "default", "CHANGE", "filterref-removed")},
			},
		}},
		{"prepare denies", Prepare, result(&deny, changed, kernel), answer{
			result: hookreport.Denied,
			status: 1,
			stderr: `virt-netboot: domain vm may not start: rule "strict" wants boot order network, hd instead of hd, filterref nova base\u202e removed from interface fa:16:3e:50:43:cd; ` +
				`define the domain again through the gateway socket /run/gw, or set unprepared: warn in that rule in /etc/c.yaml` + "\n",
			log: []logLine{
				{logrus.WarnLevel, `vm may not start unprepared: rule "strict" wants boot order network, hd instead of hd`, field(Prepare, "strict", "CHANGE", "boot-order")},
				{logrus.WarnLevel, "vm may not start unprepared: rule \"strict\" wants filterref nova\nbase\u202e removed from interface fa:16:3e:50:43:cd", field(Prepare, "strict", "CHANGE", "filterref-removed")},
				kernelLine(Prepare, "strict"),
			},
		}},
		{"mode: observe denies nothing", Prepare, observed, answer{
			result: hookreport.Observed,
			log: []logLine{
				{logrus.InfoLevel, `vm goes on unchanged at prepare (mode: observe): rule "strict" wants boot order network, hd instead of hd`, field(Prepare, "strict", "CHANGE", "boot-order")},
			},
		}},
		{"mode: observe filters nothing", Restore, observed, answer{
			result: hookreport.Observed,
			log: []logLine{
				{logrus.InfoLevel, `vm goes on unchanged at restore (mode: observe): rule "strict" wants boot order network, hd instead of hd`, field(Restore, "strict", "CHANGE", "boot-order")},
			},
		}},
		{"a warning alone never denies", Prepare, result(&deny, nil, kernel), answer{
			result: hookreport.Unchanged,
			log:    []logLine{kernelLine(Prepare, "strict")},
		}},
		{"the filter never denies", Migrate, result(&deny, changed[:1], kernel), answer{
			result: hookreport.Rewritten,
			stdout: []byte("<domain/>"),
			log: []logLine{
				{logrus.InfoLevel, "vm at migrate: boot order network, hd instead of hd", field(Migrate, "strict", "CHANGE", "boot-order")},
			},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decide(Call{Domain: "vm", Operation: c.op}, c.res, door{gateway: "/run/gw", config: "/etc/c.yaml", observes: "mode: observe"})
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(answer{}, logLine{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeniable(t *testing.T) {
	kinds := func(kinds ...domainxml.ChangeKind) (changes []domainxml.Change) {
		for _, k := range kinds {
			changes = append(changes, domainxml.Change{Kind: k})
		}
		return changes
	}
	for _, c := range []struct {
		name    string
		changes []domainxml.Change
		want    bool
	}{
		{"nothing", nil, false},
		{"boot order", kinds(domainxml.ChangeBootOrder), true},
		{"a boot order of before that is taken back", kinds(domainxml.ChangeBootOrderRestored), false},
		{"filter", kinds(domainxml.ChangeFilterrefRemoved), true},
		{"other filter", kinds(domainxml.ChangeFilterrefReplaced), true},
		{"a kernel that a migrated guest keeps", kinds(domainxml.ChangeKernelDropped, domainxml.ChangeBootOrder), false},
		{"iPXE's command line", kinds(domainxml.ChangeCmdlineRemoved), false},
		{"a kernel and a filter", kinds(domainxml.ChangeKernelDropped, domainxml.ChangeFilterrefRemoved), true},
	} {
		if got := deniable(c.changes); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
