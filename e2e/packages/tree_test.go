//go:build packages

package packages

import (
	"os/exec"
	"testing"

	"github.com/virt-netboot/virt-netboot/e2e/nspawn"
)

// tree returns a Debian tree, from the cache where one is there.
func tree(t *testing.T) string {
	t.Helper()
	dir, err := nspawn.Tree(func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// treeWith returns the layers of a tree with one more package, from the cache where
// they are there: lowerdir= of an overlay.
func treeWith(t *testing.T, name string) string {
	t.Helper()
	layers, err := nspawn.With(tree(t), name, name, func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

// run runs a command and returns its standard output.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func output(cmd *exec.Cmd) (string, error) { return nspawn.Output(cmd) }
