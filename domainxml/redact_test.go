package domainxml_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/corpus"
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

// TestRedactCorpus looks for secrets in libvirt's own test domains, by another
// way than Redact does.
func TestRedactCorpus(t *testing.T) {
	secret := regexp.MustCompile(`passwd=['"][^*'"]|<qemu:(?:arg|env)[^>]* value=['"][^*'"]|<cookie [^>]*>[^*]`)
	before := 0
	for _, file := range corpus.Files(t, corpus.Libvirt, ".xml") {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, err := domainxml.Redact(doc)
		if err != nil {
			continue
		}
		before += len(secret.FindAll(doc, -1))
		if found := secret.Find(out); found != nil {
			t.Errorf("%s still has %s", file, found)
		}
	}
	if before < 20 {
		t.Errorf("only %d secrets in the corpus", before)
	}
}
