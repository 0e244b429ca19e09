//go:build packages

package packages

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// releaseArchs are Go's names of a release's architectures, with RPM's.
var releaseArchs = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// TestRelease makes a release of the tree as it is, with the latest version that
// CHANGELOG.md has a date for.
func TestRelease(t *testing.T) {
	t.Parallel()
	changelog, err := os.ReadFile(filepath.Join(checkout, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^## (\S+) - \d`).FindSubmatch(changelog)
	if found == nil {
		t.Fatal("CHANGELOG.md has no version with a date")
	}
	version := string(found[1])
	epoch := strings.TrimSpace(run(t, exec.Command("git", "-C", checkout, "log", "-1", "--format=%ct")))
	clone := taggedClone(t, "v"+version, epoch)

	dist := distWithOlder(t)
	cmd := exec.Command("sh", "-euc", `umask 022; cd "$1"; exec packaging/release "$2"`, "release", clone, dist)
	cmd.Env = append(os.Environ(), "TZ=Asia/Tokyo", "LANG=C.UTF-8")
	run(t, cmd)

	names := []string{
		"SHA256SUMS", "another_1_all.deb", "qemu-hook-" + version + ".cdx.json",
		"virt-netboot-" + version + "-1.aarch64.rpm", "virt-netboot-" + version + "-1.x86_64.rpm",
		"virt-netboot-" + version + ".cdx.json",
		"virt-netboot_" + version + "-1_amd64.deb", "virt-netboot_" + version + "-1_arm64.deb",
	}
	if diff := cmp.Diff(names, filesIn(t, dist)); diff != "" {
		t.Fatalf("the release's files: -want +got:\n%s", diff)
	}
	t.Run("checksums", func(t *testing.T) { testChecksums(t, dist, names[2:]) })
	t.Run("reproducible", func(t *testing.T) { testReproducible(t, dist, version, epoch) })
	for arch := range releaseArchs {
		t.Run(arch, func(t *testing.T) { testReleased(t, dist, version, arch) })
	}
}

// taggedClone returns a repository whose one commit, with the tag, is the checkout's tree:
// what is not committed yet is in it, too. Its files have other modes.
func taggedClone(t *testing.T, tag, epoch string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "elsewhere")
	cmd := exec.Command("sh", "-euc", `umask 027; mkdir "$1"; cd "$2"
		git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh |
		tar -c --null -T - | tar -x --no-same-permissions -C "$1"
		cd "$1"; git init -q; git add .; git commit -qm release; git tag "$3"`, "clone", dir, checkout, tag)
	cmd.Env = os.Environ()
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		cmd.Env = append(cmd.Env, "GIT_"+who+"_NAME=a", "GIT_"+who+"_EMAIL=a@example.org", "GIT_"+who+"_DATE=@"+epoch)
	}
	run(t, cmd)
	return dir
}

// distWithOlder returns a directory with packages of another version, and of another name.
func distWithOlder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"virt-netboot_2.9-1_amd64.deb", "virt-netboot-2.9-1.x86_64.rpm", "another_1_all.deb"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

// testChecksums: SHA256SUMS has each file of the release, and no other.
func testChecksums(t *testing.T, dist string, want []string) {
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dist
	var got []string
	for line := range strings.Lines(run(t, check)) {
		got = append(got, strings.TrimSuffix(line, ": OK\n"))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SHA256SUMS: -want +got:\n%s", diff)
	}
}

// testReproducible: another directory, time, umask and time zone than the release's give
// the same packages, and no older ones stay beside them.
func testReproducible(t *testing.T, release, version, epoch string) {
	dist := distWithOlder(t)
	cmd := exec.Command("sh", "-euc", `umask 077; exec "$1/packaging/build" "$2"`, "build", checkout, dist)
	cmd.Env = append(os.Environ(), "VERSION=v"+version, "SOURCE_DATE_EPOCH="+epoch)
	run(t, cmd)
	sums := func(dir string) string {
		return run(t, exec.Command("sh", "-euc", `cd "$1"; sha256sum *.deb *.rpm`, "sums", dir))
	}
	if diff := cmp.Diff(sums(release), sums(dist)); diff != "" {
		t.Errorf("the packages differ: -release +build:\n%s", diff)
	}
}

// testReleased: the packages of an architecture have the version, and the same programs,
// made of the modules that the CycloneDX documents name.
func testReleased(t *testing.T, dist, version, arch string) {
	deb := filepath.Join(dist, "virt-netboot_"+version+"-1_"+arch+".deb")
	rpm := filepath.Join(dist, "virt-netboot-"+version+"-1."+releaseArchs[arch]+".rpm")
	for _, test := range []struct {
		query *exec.Cmd
		want  string
	}{
		{exec.Command("dpkg-deb", "--show", "--showformat", "${Package} ${Version} ${Architecture}", deb), "virt-netboot " + version + "-1 " + arch},
		{exec.Command("rpm", "--query", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH}", "--package", rpm), "virt-netboot " + version + "-1 " + releaseArchs[arch]},
	} {
		if got := run(t, test.query); got != test.want {
			t.Errorf("%s says %q, want %q", test.query, got, test.want)
		}
	}

	fromDeb, fromRPM := t.TempDir(), t.TempDir()
	run(t, exec.Command("dpkg-deb", "--extract", deb, fromDeb))
	run(t, exec.Command("sh", "-euc", `cd "$1"; rpm2cpio "$2" | cpio --quiet --extract --make-directories --no-absolute-filenames`, "unpack", fromRPM, rpm))
	for name, path := range map[string]string{"virt-netboot": "usr/bin/virt-netboot", "qemu-hook": "usr/libexec/virt-netboot/qemu-hook"} {
		program := filepath.Join(fromDeb, path)
		run(t, exec.Command("cmp", program, filepath.Join(fromRPM, path)))
		if arch == runtime.GOARCH {
			if got, want := run(t, exec.Command(program, "--version")), name+" "+version+"\n"; got != want {
				t.Errorf("the packaged %s says %q, want %q", name, got, want)
			}
		}
		want, got := builtFrom(t, program, version), documented(t, filepath.Join(dist, name+"-"+version+".cdx.json"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what %s is made of: -program +CycloneDX:\n%s", name, diff)
		}
	}
}

// builtFrom returns the modules of a program, each with its version: its own first, then
// in order Go's library and those that it needs. The build gives its own no version.
func builtFrom(t *testing.T, program, version string) []string {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	modules := []string{"std " + info.GoVersion}
	for _, module := range info.Deps {
		modules = append(modules, module.Path+" "+module.Version)
	}
	slices.Sort(modules)
	return append([]string{info.Main.Path + " v" + version}, modules...)
}

// documented returns the same from a CycloneDX document.
func documented(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type component struct{ Name, Version string }
	var bom struct {
		BOMFormat, SpecVersion string
		Metadata               struct{ Component component }
		Components             []component
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.SpecVersion == "" {
		t.Errorf("%s has the format %q %q, want CycloneDX", path, bom.BOMFormat, bom.SpecVersion)
	}
	var modules []string
	for _, c := range bom.Components {
		modules = append(modules, c.Name+" "+c.Version)
	}
	slices.Sort(modules)
	main := bom.Metadata.Component
	return append([]string{main.Name + " " + main.Version}, modules...)
}
