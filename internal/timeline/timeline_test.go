package timeline

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/testing/frames"
)

var update = flag.Bool("update", false, "write the expected timelines")

// TestTimeline tells the boots of real guests, which the lab's taps were captured of.
func TestTimeline(t *testing.T) {
	for file, nics := range map[string][]NIC{
		"http":          {{"tap0", mac("fa:16:3e:50:00:02")}},
		"two-nics":      {{"tap0", mac("fa:16:3e:50:01:01")}, {"tap1", mac("fa:16:3e:50:01:02")}},
		"no-answer":     {{"tap0", mac("fa:16:3e:50:02:02")}},
		"no-boot-file":  {{"tap0", mac("fa:16:3e:50:03:02")}},
		"nak":           {{"tap0", mac("fa:16:3e:50:04:02")}},
		"tftp-missing":  {{"tap0", mac("fa:16:3e:50:05:02")}},
		"http-missing":  {{"tap0", mac("fa:16:3e:50:06:02")}},
		"firmware-tftp": {{"tap0", mac("fa:16:3e:00:02:01")}}, // OVMF loads an iPXE, with most of its blocks cut out
		"firmware-http": {{"tap0", mac("fa:16:3e:00:02:01")}},
	} {
		t.Run(file, func(t *testing.T) {
			all, err := frames.Read(filepath.Join("testdata", file+".pcapng"))
			if err != nil {
				t.Fatal(err)
			}
			got := tell(New(all[0].At, nics...), all, Quiet)
			golden := filepath.Join("testdata", file+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// tell is a timeline as text, with its verdict.
func tell(t *Timeline, all []capture.Frame, end End) string {
	var b strings.Builder
	for _, f := range all {
		if e, _ := t.Add(f); e != nil {
			fmt.Fprintf(&b, "%6.2f %s %-19s %s\n", e.Seconds, e.Device, e.Kind, e.Text)
		}
	}
	v := t.Verdict(end, 0)
	fmt.Fprintf(&b, "%s: %s\n", v.Outcome, v.Text)
	return b.String()
}

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}
