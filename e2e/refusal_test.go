package e2e

import (
	"strings"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

// refusable is a policy whose rewrites libvirt refuses: it creates no instance with
// an nwfilter whose variables have no values.
const refusable = "rules:\n  - name: without values\n    filterref: replace:" + unresolvable + "\n"

const unresolvable = "unresolvable"

// defineUnresolvable defines the nwfilter.
func defineUnresolvable(t *testing.T, l *lab.Lab) {
	t.Helper()
	virsh(t, l, "nwfilter-define", writeFile(t, "filter.xml", `<filter name='`+unresolvable+`'>
  <rule action='drop' direction='out'><ip srcipaddr='$NOBODY_SAYS'/></rule>
</filter>`))
}

const secret = "f1ddle5k"

// TestRefusedRewriteStillGivesTheInstance creates an instance whose rewritten
// form libvirt does not take.
func TestRefusedRewriteStillGivesTheInstance(t *testing.T) {
	lab.Run(t, lab.Options{Config: refusable}, func(t *testing.T, l *lab.Lab) {
		g := guestWithSecret(t, l)
		defineUnresolvable(t, l)
		startAgent(t, l)
		virshGateway(t, l, "create", "--paused", g.File)
		if got := state(t, l, g.Name); got != "paused" {
			t.Errorf("state of %s is %q", g.Name, got)
		}
		if xml := virsh(t, l, "dumpxml", g.Name); !strings.Contains(xml, g.Domain.Devices.Interfaces[0].FilterRef.Filter) {
			t.Errorf("the instance is not as the client wrote it:\n%s", xml)
		}
		checkRefusalLogged(t, l, unresolvable)
	})
}

// TestRefusedRewriteIsAnErrorWhereItIsWanted is the same with on_refusal: error.
func TestRefusedRewriteIsAnErrorWhereItIsWanted(t *testing.T) {
	config := refusable + "gateway: {on_refusal: error}\n"
	lab.Run(t, lab.Options{Config: config}, func(t *testing.T, l *lab.Lab) {
		g := guestWithSecret(t, l)
		defineUnresolvable(t, l)
		startAgent(t, l)
		_, err := l.VirshGateway(t.Context(), "create", "--paused", g.File)
		if err == nil || !strings.Contains(err.Error(), "NOBODY_SAYS") {
			t.Fatalf("creating %s: %v, want libvirt's refusal", g.Name, err)
		}
		if list := virsh(t, l, "list", "--all", "--name"); strings.Contains(list, g.Name) {
			t.Errorf("%s is there:\n%s", g.Name, list)
		}
	})
}

// guestWithSecret is an instance with a filter and a graphics password.
func guestWithSecret(t *testing.T, l *lab.Lab) *lab.Guest {
	t.Helper()
	document := novaGuest(t, l, "image-raw-filterref").Document
	g, err := l.Prepare(t.Context(), strings.Replace(document, `<graphics type="vnc"`, `<graphics type="vnc" passwd="`+secret+`"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(g.Document, secret) {
		t.Fatal("the document has no graphics to put a password in")
	}
	return g
}

// checkRefusalLogged finds the refusal with the diff of both documents, and no
// secret anywhere in the log.
func checkRefusalLogged(t *testing.T, l *lab.Lab, diff string) {
	t.Helper()
	entries, err := l.Journal(t.Context(), "-t", "virt-netboot")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range entries {
		found = found || strings.Contains(e["MESSAGE"], "libvirt refused") && strings.Contains(e["DIFF"], diff)
		for field, value := range e {
			if strings.Contains(value, secret) {
				t.Errorf("the journal has the secret in %s: %s", field, value)
			}
		}
	}
	if !found {
		t.Errorf("no refusal with a diff that has %q in the journal: %v", diff, entries)
	}
}
