package domainxml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/domainxml"
)

func TestDeviceRecord(t *testing.T) {
	const (
		first, second = `<interface><mac address='52:54:00:00:00:01'/></interface>`, `<interface><mac address='52:54:00:00:00:02'/></interface>`
		begin         = `<netboot:domain xmlns:netboot="urn:virt-netboot:domain:1.0">`
		boot          = `<netboot:boot><netboot:was><boot dev='hd'/></netboot:was><netboot:wrote/></netboot:boot>`
		ofFirst       = `<netboot:filterref device="interface" name="52:54:00:00:00:01" position="1">` +
			`<netboot:was><filterref filter='a'/></netboot:was><netboot:wrote/></netboot:filterref>`
		end  = `</netboot:domain>`
		nova = `<metadata><nova:instance xmlns:nova="n"/></metadata>`
	)
	plain := func(item string) string { return strings.ReplaceAll(item, "netboot:", "") }
	ofInterface := func(mac string, position int, was string) string {
		return fmt.Sprintf(`<filterref device="interface" name="52:54:00:00:00:%s" position="%d"><was>%s</was><wrote/></filterref>`, mac, position, was)
	}
	device := func(mac string) string {
		return `<interface>` + mac + `<filterref filter='b'><parameter name='IP' value='192.0.2.2'/></filterref></interface>`
	}
	for name, c := range map[string]struct {
		metadata, nics, device string
		want                   string
	}{
		"without metadata": {
			nics: first, device: device(`<mac address='52:54:00:00:00:01'/>`),
			want: `<domain metadata="new">` + ofInterface("01", 1, `<filterref filter='b'><parameter name='IP' value='192.0.2.2'/></filterref>`) + `</domain>`,
		},
		"beside others": {
			metadata: nova, nics: first + second, device: `<interface><mac address='52:54:00:00:00:02'/><filterref filter='b'/></interface>`,
			want: `<domain>` + ofInterface("02", 2, `<filterref filter='b'/>`) + `</domain>`,
		},
		"other items stay": {
			metadata: `<metadata>` + begin + boot + ofFirst + end + `</metadata>`,
			nics:     first + second, device: `<interface><mac address='52:54:00:00:00:02'/><filterref filter='b'/></interface>`,
			want: `<domain>` + plain(boot) + plain(ofFirst) + ofInterface("02", 2, `<filterref filter='b'/>`) + `</domain>`,
		},
		"its own item is replaced, whatever the case of its letters": {
			metadata: `<metadata>` + begin + boot + strings.ReplaceAll(ofFirst, ":01", ":AB") + end + `</metadata>`,
			nics:     strings.ReplaceAll(first, ":01", ":ab"),
			device:   `<interface><mac address='52:54:00:00:00:Ab'/><filterref filter='b'/></interface>`,
			want:     `<domain>` + plain(boot) + ofInterface("ab", 1, `<filterref filter='b'/>`) + `</domain>`,
		},
		"what a rewrite has put there is not what goes back": {
			metadata: `<metadata>` + begin + strings.Replace(ofFirst, "<netboot:wrote/>", "<netboot:wrote><filterref filter='r'/></netboot:wrote>", 1) + end + `</metadata>`,
			nics:     first,
			device:   `<interface><mac address='52:54:00:00:00:01'/><filterref filter='r'/></interface>`,
			want:     `<domain>` + ofInterface("01", 1, `<filterref filter='a'/>`) + `</domain>`,
		},
		"a MAC address of libvirt's": {
			nics: first + second, device: `<interface><filterref filter='b'/></interface>`,
			want: `<domain metadata="new">` + ofInterface("02", 2, `<filterref filter='b'/>`) + `</domain>`,
		},
		"replaced": {
			nics:   `<interface><mac address='52:54:00:00:00:01'/><filterref filter='r'/></interface>`,
			device: `<interface><mac address='52:54:00:00:00:01'/><filterref filter='b'/></interface>`,
			want: `<domain metadata="new">` +
				strings.Replace(ofInterface("01", 1, `<filterref filter='b'/>`), "<wrote/>", "<wrote><filterref filter='r'/></wrote>", 1) + `</domain>`,
		},
		"two, the first of which counts": {
			nics: first, device: `<interface><mac address='52:54:00:00:00:01'/><filterref filter='b'/><filterref filter='c'/></interface>`,
			want: `<domain metadata="new">` + ofInterface("01", 1, `<filterref filter='b'/><filterref filter='c'/>`) + `</domain>`,
		},
		"reverted meanwhile": {
			metadata: `<metadata>` + strings.Replace(begin, ">", ` reverted="yes"/>`, 1) + `</metadata>`,
			nics:     first, device: `<interface><filterref filter='b'/></interface>`,
			want: `<domain reverted="yes">` + ofInterface("01", 1, `<filterref filter='b'/>`) + `</domain>`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := `<domain type='kvm'><name>a</name>` + c.metadata + `<devices>` + c.nics + `</devices></domain>`
			got, err := domainxml.DeviceRecord([]byte(c.device), []byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDeviceRecordErrors(t *testing.T) {
	const device, domain = `<interface><mac address='52:54:00:00:00:01'/><filterref filter='b'/></interface>`, `<domain><devices/></domain>`
	for name, c := range map[string]struct{ device, domain, want string }{
		"no device":                {"", domain, "device: "},
		"no domain":                {device, "<a/>", "domain of the device: "},
		"unplugged since":          {device, domain, "the domain has no interface 52:54:00:00:00:01"},
		"unplugged, without MAC":   {"<interface><filterref filter='b'/></interface>", domain, "the domain has no interface"},
		"a domain without devices": {device, "<domain/>", "the domain has no interface"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := domainxml.DeviceRecord([]byte(c.device), []byte(c.domain))
			if err == nil || !strings.Contains(err.Error(), c.want) || got != "" {
				t.Errorf("got %q, %v, want the error %q", got, err, c.want)
			}
		})
	}
}
