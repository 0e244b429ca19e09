package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// refusable is a policy whose rewrites libvirt refuses: it creates no instance with
// an nwfilter whose rules iptables refuses.
const refusable = "rules:\n  - name: unloadable\n    filterref: replace:" + unloadable + "\n"

const unloadable = "unloadable"

// defineUnloadable defines the nwfilter.
func defineUnloadable(t *testing.T, l *lab.Lab) {
	t.Helper()
	virsh(t, l, "nwfilter-define", writeFile(t, "filter.xml", `<filter name='`+unloadable+`'>
  <rule action='drop' direction='out'><all ipset='nobody_has' ipsetflags='src'/></rule>
</filter>`))
}

const secret = "f1ddle5k"

// TestRefusedRewriteStillGivesTheInstance creates an instance whose rewritten
// form libvirt does not take.
func TestRefusedRewriteStillGivesTheInstance(t *testing.T) {
	lab.Run(t, lab.Options{Config: refusable}, func(t *testing.T, l *lab.Lab) {
		g := guestWithSecret(t, l)
		defineUnloadable(t, l)
		startAgent(t, l)
		virshGateway(t, l, "create", "--paused", g.File)
		if got := state(t, l, g.Name); got != "paused" {
			t.Errorf("state of %s is %q", g.Name, got)
		}
		if xml := virsh(t, l, "dumpxml", g.Name); !strings.Contains(xml, g.Domain.Devices.Interfaces[0].FilterRef.Filter) {
			t.Errorf("the instance is not as the client wrote it:\n%s", xml)
		}
		checkRefusalLogged(t, l, unloadable)
	})
}

// TestRefusedRewriteIsAnErrorWhereItIsWanted is the same with on_refusal: error.
func TestRefusedRewriteIsAnErrorWhereItIsWanted(t *testing.T) {
	config := refusable + "gateway: {on_refusal: error}\n"
	lab.Run(t, lab.Options{Config: config}, func(t *testing.T, l *lab.Lab) {
		g := guestWithSecret(t, l)
		defineUnloadable(t, l)
		startAgent(t, l)
		_, err := l.VirshGateway(t.Context(), "create", "--paused", g.File)
		if err == nil || !strings.Contains(err.Error(), "nobody_has") {
			t.Fatalf("creating %s: %v, want libvirt's refusal", g.Name, err)
		}
		if list := virsh(t, l, "list", "--all", "--name"); strings.Contains(list, g.Name) {
			t.Errorf("%s is there:\n%s", g.Name, list)
		}
	})
}

// guestWithSecret is an instance with a filter, and beside each line that the policy
// changes a secret: one for QEMU and the graphics password.
func guestWithSecret(t *testing.T, l *lab.Lab) *lab.Guest {
	t.Helper()
	document := novaGuest(t, l, "image-raw-filterref").Document
	for line, with := range map[string]string{
		"\n  <os>":           "\n" + `  <q:commandline xmlns:q="` + qemuNamespace + `"><q:env name="A" value="` + secret + `"/></q:commandline>` + "\n  <os>",
		"\n    </interface>": `</interface><graphics type="vnc" autoport="yes" passwd="` + secret + `"/>`,
		"\n" + `    <graphics type="vnc" autoport="yes" listen="127.0.0.1"/>`: "",
	} {
		document = strings.Replace(document, line, with, 1)
	}
	if strings.Count(document, secret) != 2 || strings.Count(document, "<graphics") != 1 {
		t.Fatalf("the document has other lines than this test thinks:\n%s", document)
	}
	g, err := l.Prepare(t.Context(), document)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const qemuNamespace = "http://libvirt.org/schemas/domain/qemu/1.0"

// TestQEMUQuotesASecret: libvirt's error has what QEMU says about its command line. It
// does not refuse the rewrite.
func TestQEMUQuotesASecret(t *testing.T) {
	lab.Run(t, lab.Options{Hook: true}, func(t *testing.T, l *lab.Lab) {
		document := novaGuest(t, l, "image-raw-filterref").Document
		g, err := l.Prepare(t.Context(), strings.Replace(document, "</domain>", `<q:commandline xmlns:q="`+qemuNamespace+`">`+
			`<q:arg value="-fw_cfg"/><q:arg value="name=opt/x,string=`+secret+`,bogus=1"/></q:commandline></domain>`, 1))
		if err != nil {
			t.Fatal(err)
		}
		startAgent(t, l)
		if _, err := l.VirshGateway(t.Context(), "create", "--paused", g.File); err == nil || !strings.Contains(err.Error(), secret) {
			t.Fatalf("creating %s: %v, want QEMU's words", g.Name, err)
		}
		e := checkNoSecretLogged(t, l, "libvirt refused domain "+g.Name+" as the client wrote it, too: ")
		if e["PRIORITY"] != "6" || e["DIFF"] != "" {
			t.Errorf("it is more than information: %v", e)
		}
		awaitMetric(t, `virt_netboot_gateway_calls_total{procedure="DOMAIN_CREATE_XML",result="refused"} 0`)
		awaitMetric(t, `virt_netboot_hook_calls_total{operation="prepare",result="original-sent"} 1`)
		awaitMetric(t, `virt_netboot_hook_calls_total{operation="prepare",result="unprepared"} 0`)
	})
}

// TestUnreadDocument: libvirt takes one with two <os>, and says whose it is, and
// refuses one that is no XML.
func TestUnreadDocument(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		document := novaGuest(t, l, "image-raw-filterref").Document
		twice, err := l.Prepare(t.Context(), strings.Replace(document, "  <os>", "  <os/>\n  <os>", 1))
		if err != nil {
			t.Fatal(err)
		}
		startAgent(t, l)
		if _, err := l.VirshGateway(t.Context(), "define", writeFile(t, "no.xml", "<domain")); err == nil {
			t.Error("libvirt has defined what is no XML")
		}
		checkNoSecretLogged(t, l, "DOMAIN_DEFINE_XML passed on unchanged, and libvirt refused it too: line 1")
		awaitMetric(t, `virt_netboot_gateway_calls_total{procedure="DOMAIN_DEFINE_XML",result="unparsed"} 0`)
		virshGateway(t, l, "create", "--paused", twice.File)
		e := checkNoSecretLogged(t, l, "DOMAIN_CREATE_XML of domain "+twice.Name+" passed on unchanged, and libvirt took it: line ")
		if e["PRIORITY"] != "3" || e["DOMAIN"] != twice.Name {
			t.Errorf("it is no error about the domain: %v", e)
		}
		awaitMetric(t, `virt_netboot_gateway_calls_total{procedure="DOMAIN_CREATE_XML",result="unparsed"} 1`)
	})
}

// checkNoSecretLogged returns the entry of the log with this text, and finds no secret
// anywhere in the log.
func checkNoSecretLogged(t *testing.T, l *lab.Lab, text string) map[string]string {
	t.Helper()
	var found map[string]string
	await(t, func() error {
		entries, err := l.Journal(t.Context(), "-t", "virt-netboot")
		if err != nil {
			return err
		}
		for _, e := range entries {
			if strings.Contains(e["MESSAGE"], text) {
				found = e
			}
			for field, value := range e {
				if strings.Contains(value, secret) {
					t.Errorf("the journal has the secret in %s: %s", field, value)
				}
			}
		}
		if found == nil {
			return fmt.Errorf("the journal has nothing with %q: %v", text, entries)
		}
		return nil
	})
	return found
}

// checkRefusalLogged finds the refusal with the diff of both documents, in which the
// secrets are hidden.
func checkRefusalLogged(t *testing.T, l *lab.Lab, diff string) {
	t.Helper()
	e := checkNoSecretLogged(t, l, "libvirt refused")
	for _, part := range []string{diff, `passwd="***"`, `value="***"`} {
		if !strings.Contains(e["DIFF"], part) {
			t.Errorf("the diff has no %q: %v", part, e)
		}
	}
}
