//go:build packages

package packages

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const checkout = "../.."

// build builds a version of the packages for this machine, and returns the deb.
func build(t *testing.T, version string) string {
	t.Helper()
	return buildFrom(t, checkout, version)
}

// released builds the package of the latest release, from the commit of its tag. In a
// clone without tags there is none, and it returns "".
func released(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("git", "-C", checkout, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*").Output()
	if err != nil {
		t.Log("this clone has no tag of a release: the upgrade is from this commit's package")
		return ""
	}
	tag, dir := strings.TrimSpace(string(out)), t.TempDir()
	run(t, exec.Command("sh", "-euc", `git -C "$1" archive "$2" | tar -x -C "$3"`, "archive", checkout, tag, dir))
	return buildFrom(t, dir, strings.TrimPrefix(tag, "v"))
}

// versionOf returns the version of a package, as 1.0.0 of 1.0.0-1.
func versionOf(t *testing.T, deb string) string {
	t.Helper()
	return strings.TrimSuffix(strings.TrimSpace(run(t, exec.Command("dpkg-deb", "--field", deb, "Version"))), "-1")
}

func buildFrom(t *testing.T, dir, version string) string {
	t.Helper()
	dist := t.TempDir()
	arch := strings.TrimSpace(run(t, exec.Command("dpkg", "--print-architecture")))
	epoch := strings.TrimSpace(run(t, exec.Command("git", "-C", checkout, "log", "-1", "--format=%ct")))
	cmd := exec.Command(dir+"/packaging/build", dist)
	cmd.Env = append(os.Environ(), "VERSION=v"+version, "ARCHS="+arch, "SOURCE_DATE_EPOCH="+epoch)
	run(t, cmd)
	return filepath.Join(dist, fmt.Sprintf("virt-netboot_%s-1_%s.deb", version, arch))
}

// variant makes another version of a package that differs in its configuration.
func variant(t *testing.T, deb, version string, edit func(config string) string) string {
	t.Helper()
	dir := t.TempDir()
	files, made := filepath.Join(dir, "files"), filepath.Join(dir, version+".deb")
	run(t, exec.Command("dpkg-deb", "--raw-extract", deb, files))
	for name, edit := range map[string]func(string) string{
		"etc/virt-netboot/config.yaml": edit,
		"DEBIAN/control": func(s string) string {
			before, rest, _ := strings.Cut(s, "\nVersion: ")
			_, after, _ := strings.Cut(rest, "\n")
			return before + "\nVersion: " + version + "-1\n" + after
		},
	} {
		old, err := os.ReadFile(filepath.Join(files, name))
		if err != nil {
			t.Fatal(err)
		}
		changed := edit(string(old))
		if changed == string(old) {
			t.Fatalf("the variant %s has the same %s", version, name)
		}
		if err := os.WriteFile(filepath.Join(files, name), []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, exec.Command("dpkg-deb", "-Znone", "--root-owner-group", "--build", files, made))
	return made
}

// publish makes the packages what the node's apt knows, instead of all that it knew.
func (n *node) publish(t *testing.T, debs ...string) {
	t.Helper()
	var index strings.Builder
	for i, deb := range debs {
		content, err := os.ReadFile(deb)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%d.deb", i)
		n.write(t, "/srv/repository/"+name, string(content))
		control := run(t, exec.Command("dpkg-deb", "--field", deb))
		fmt.Fprintf(&index, "%s\nFilename: ./%s\nSize: %d\nSHA256: %x\n\n", strings.TrimSpace(control), name, len(content), sha256.Sum256(content))
	}
	n.write(t, "/srv/repository/Packages", index.String())
	n.run(t, "apt-get", "update", "-qq")
}

// apt runs apt-get.
func (n *node) apt(t *testing.T, args ...string) string {
	t.Helper()
	return n.run(t, append([]string{"apt-get", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"}, args...)...)
}
