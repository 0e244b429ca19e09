package e2e

import (
	"os"
	"os/exec"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/lab"
)

func TestZZExpDoctor(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		g := novaGuest(t, l, "image-raw-filterref")
		virsh(t, l, "define", g.File)
		cmd := exec.Command("bash", "-x", os.Getenv("EXP"))
		out, err := cmd.CombinedOutput()
		t.Logf("%v\n%s", err, out)
	})
}
