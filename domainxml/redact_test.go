package domainxml_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/testing/corpus"
)

func TestRedact(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"graphics password": {
			`<domain><devices><graphics type='vnc' passwd='S3cret &amp; more' port="-1"/></devices></domain>`,
			`<domain><devices><graphics type='vnc' passwd='***' port="-1"/></devices></domain>`,
		},
		"QEMU's command line, whatever its prefix": {
			`<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:arg value='-S3cret'/><q:env name='A' value="S3cret"/></q:commandline></domain>`,
			`<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:arg value='***'/><q:env name='A' value="***"/></q:commandline></domain>`,
		},
		"secret": {
			`<domain><disk><auth username='u'><secret type='ceph' uuid='S3cret' usage='S3cret'/></auth><secret>S3<b/>cret</secret></disk></domain>`,
			`<domain><disk><auth username='u'><secret type='ceph' uuid='***' usage='***'/></auth><secret>***</secret></disk></domain>`,
		},
		"cookie": {
			`<domain><disk><cookies><cookie name='c'>S3cret</cookie></cookies></disk></domain>`,
			`<domain><disk><cookies><cookie name='c'>***</cookie></cookies></disk></domain>`,
		},
		"firmware": {
			`<domain><sysinfo type='fwcfg'><entry name='opt/a'>S3cret</entry></sysinfo><sysinfo type='smbios'><system><entry name='serial'>1</entry></system><oemStrings><entry>S3cret</entry></oemStrings></sysinfo></domain>`,
			`<domain><sysinfo type='fwcfg'><entry name='opt/a'>***</entry></sysinfo><sysinfo type='smbios'><system><entry name='serial'>1</entry></system><oemStrings><entry>***</entry></oemStrings></sysinfo></domain>`,
		},
		"nothing secret": {
			"<domain>\n <!-- passwd='x' --><name passwd='1'>a</name><cookie>b</cookie><arg value='c'/></domain>\n",
			"<domain>\n <!-- passwd='x' --><name passwd='1'>a</name><cookie>b</cookie><arg value='c'/></domain>\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := domainxml.Redact([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if got, err := domainxml.Redact([]byte(`<domain passwd='S3cret'`)); err == nil {
		t.Errorf("a document that cannot be read gives %q", got)
	}
}

func TestRedactMessage(t *testing.T) {
	const (
		plain   = `<domain><name>a</name></domain>`
		qemu    = `<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:arg value='string=S3cret,bogus=1'/></q:commandline></domain>`
		env     = `<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:env name='A' value='S3cret'/></q:commandline></domain>`
		fwcfg   = `<domain><sysinfo type='fwcfg'><entry name='opt/a'>S3cret</entry></sysinfo></domain>`
		cookie  = `<domain><disk><cookies><cookie name='c'>S3cret</cookie></cookies></disk></domain>`
		vnc     = `<domain><graphics type='vnc' passwd='S3cret&amp;more&#10;0f1t'/></domain>`
		amp     = `<domain><graphics type='vnc' passwd='S3cret&amp;more'/></domain>`
		ceph    = `<domain><disk><auth username='u'><secret type='ceph' uuid='0c2b7a1e' usage=''/></auth></disk></domain>`
		short   = `<domain><graphics type='vnc' passwd='1'/></domain>`
		noXML   = `<domain passwd='S3cret'`
		noQEMU  = "network not found: no network with matching name 'a'"
		exited  = "internal error: process exited while connecting to monitor: "
		missing = "Secret not found: no secret with matching uuid '0c2b7a1e'"
	)
	for name, c := range map[string]struct {
		message string
		docs    []string
		shown   string // "" for nothing of it
	}{
		"no secret":                         {noQEMU, []string{plain, plain}, noQEMU},
		"no document":                       {noQEMU, nil, noQEMU},
		"after the first line":              {"XML error: bad\n<graphics passwd='S3cret'/>", []string{plain}, "XML error: bad"},
		"a whole argument of QEMU's":        {exited + "-fw_cfg string=S3cret,bogus=1: Invalid parameter 'bogus'", []string{qemu, plain}, ""},
		"a part of one":                     {exited + "Invalid parameter 'S3cret'", []string{qemu}, ""},
		"one that is cut off":               {exited + "-fw_cfg string=S3cr", []string{qemu}, ""},
		"none, as far as can be seen":       {noQEMU, []string{qemu}, ""},
		"QEMU's environment":                {exited + "A is S3cr", []string{env}, ""},
		"the firmware's":                    {exited + "S3cr", []string{fwcfg}, ""},
		"a cookie":                          {exited + "S3cr", []string{cookie}, ""},
		"in the second document only":       {exited + "S3cret", []string{plain, qemu}, ""},
		"a password beside":                 {noQEMU, []string{vnc}, noQEMU},
		"a password as the document has it": {"bad password S3cret&amp;more", []string{amp}, ""},
		"a password as it is meant":         {"bad password 'S3cret&more", []string{vnc}, ""},
		"a password inside something else":  {"bad password xS3cret&morex", []string{vnc}, ""},
		"a short password":                  {"error 1", []string{short}, ""},
		"a short password elsewhere":        {"error 2", []string{short}, "error 2"},
		"a secret of libvirt's":             {missing, []string{ceph}, ""},
		"another's":                         {missing, []string{vnc}, missing},
		"a document that cannot be read":    {noQEMU, []string{plain, noXML}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var docs [][]byte
			for _, doc := range c.docs {
				docs = append(docs, []byte(doc))
			}
			got := domainxml.RedactMessage(c.message, docs...)
			switch {
			case c.shown != "" && got != c.shown:
				t.Errorf("got %q, want %q", got, c.shown)
			case c.shown == "" && !strings.HasPrefix(got, "a message that is not shown, since "):
				t.Errorf("shown: %q", got)
			}
		})
	}
}

// TestRedactCorpus searches the redacted corpus for secrets in another way than Redact.
func TestRedactCorpus(t *testing.T) {
	secret := regexp.MustCompile(`passwd=['"][^*'"]|<qemu:(?:arg|env)[^>]* value=['"][^*'"]|<cookie [^>]*>[^*]`)
	before := 0
	for _, d := range corpus.Documents(t) {
		out, err := domainxml.Redact(d.XML)
		if err != nil {
			continue
		}
		before += len(secret.FindAll(d.XML, -1))
		if found := secret.Find(out); found != nil {
			t.Errorf("%s still has %s", d.Name, found)
		}
	}
	if before == 0 {
		t.Error("no secret in the corpus")
	}
}
