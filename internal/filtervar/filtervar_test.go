package filtervar_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/filtervar"
)

func TestOf(t *testing.T) {
	filters := fstest.MapFS{}
	for name, body := range map[string]string{
		"none":    `<rule action='accept' direction='inout'><ip srcipaddr='192.0.2.1'/></rule>`,
		"plain":   `<uuid>5a2c3f52-7d0b-4b0e-9b5e-0f6f6e657462</uuid><rule action='drop' direction='out'><mac match='no' srcmacaddr='$MAC'/></rule>`,
		"indexed": `<rule action='accept' direction='in'><udp srcipaddr='$SERVERS[@1]' dstportstart='$PORT[2]'/><tcp srcipaddr='$SERVERS'/></rule>`,
		"refers":  `<filterref filter='indexed'/><filterref filter='plain'/>`,
		"gives":   `<filterref filter='indexed'><parameter name='PORT' value='68'/></filterref>`,
		"deeper":  `<filterref filter='refers'><parameter name='SERVERS' value='192.0.2.1'/></filterref>`,
		"twice":   `<filterref filter='gives'/><filterref filter='indexed'><parameter name='SERVERS' value='192.0.2.1'/></filterref>`,
		"loop":    `<filterref filter='back'/>`,
		"back":    `<filterref filter='loop'/>`,
		"broken":  `<rule>`,
		"lacks":   `<filterref filter='absent'/>`,
	} {
		filters[name] = &fstest.MapFile{Data: []byte("<filter name='" + name + "' chain='root'>" + body + "</filter>")}
	}
	read := func(name string) ([]byte, error) { return fs.ReadFile(filters, name) }
	for name, want := range map[string]string{
		"none":    "",
		"plain":   "MAC",
		"indexed": "PORT SERVERS",
		"refers":  "MAC PORT SERVERS",
		"gives":   "SERVERS",
		"deeper":  "MAC PORT",
		"twice":   "PORT SERVERS",
		"loop":    "error: nwfilter loop refers to itself",
		"broken":  "error: reading nwfilter broken: XML syntax error on line 1: element <rule> closed by </filter>",
		"lacks":   "error: open absent: file does not exist",
	} {
		t.Run(name, func(t *testing.T) {
			variables, err := filtervar.Of(name, read)
			got := strings.Join(variables, " ")
			if err != nil {
				got = fmt.Sprintf("error: %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
