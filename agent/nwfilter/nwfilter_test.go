package nwfilter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/agent/nwfilter"
	"github.com/virt-netboot/virt-netboot/domainxml"
	shipped "github.com/virt-netboot/virt-netboot/packaging/nwfilter"
)

// libvirt has nwfilters' documents by their names.
type libvirt map[string]string

func (l libvirt) FilterXML(_ context.Context, name string) (string, error) {
	if name == "hung" {
		return "", errors.New("no answer")
	}
	return l[name], nil
}

func (l libvirt) DefineFilter(_ context.Context, document string) error {
	for _, name := range []string{shipped.Relaxed, shipped.Relaxed + "-rules"} {
		ours, err := shipped.Shipped(shipped.Relaxed)
		if err != nil {
			return err
		}
		for _, f := range ours {
			if f.Name == name && f.XML == document {
				l[name] = document
			}
		}
	}
	return nil
}

func TestFind(t *testing.T) {
	documents := map[string]string{
		"own":   `<filter name='own'><filterref filter='rules'/></filter>`,
		"rules": `<filter name='rules'><rule action='accept' direction='in'><mac srcmacaddr='$GATEWAY_MAC'/></rule></filter>`,
		"half":  `<filter name='half'><filterref filter='gone'/></filter>`,
	}
	relaxed := domainxml.NWFilter{State: domainxml.NWFilterDefined, Variables: []string{"MAC"}}
	for name, c := range map[string]struct {
		ask     string
		observe bool
		want    domainxml.NWFilter
		defined int
	}{
		"with variables":            {ask: "own", want: domainxml.NWFilter{State: domainxml.NWFilterDefined, Variables: []string{"GATEWAY_MAC"}}},
		"missing":                   {ask: "gone", want: domainxml.NWFilter{State: domainxml.NWFilterMissing}},
		"refers to a missing one":   {ask: "half", want: domainxml.NWFilter{State: domainxml.NWFilterMissing}},
		"ours":                      {ask: shipped.Relaxed, want: relaxed, defined: 2},
		"ours, while only observed": {ask: shipped.Relaxed, observe: true, want: relaxed},
	} {
		t.Run(name, func(t *testing.T) {
			lv := libvirt{}
			for name, document := range documents {
				lv[name] = document
			}
			there, err := nwfilter.Find(t.Context(), lv, []string{c.ask}, c.observe)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, there.Get(c.ask)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := len(lv) - len(documents); got != c.defined {
				t.Errorf("%d nwfilters were defined, want %d", got, c.defined)
			}
		})
	}
	if there, err := nwfilter.Find(t.Context(), libvirt{}, []string{"hung"}, false); err == nil {
		t.Errorf("without an answer of libvirt: %v", there)
	}
	if diff := cmp.Diff(domainxml.NWFilter{State: domainxml.NWFilterUnknown}, nwfilter.Set{}.Get("any")); diff != "" {
		t.Errorf("one that was not asked for: -want +got:\n%s", diff)
	}
}
