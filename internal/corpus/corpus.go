// Package corpus finds the documents that tests read from outside the project:
// libvirt's own test domains, domains written by Nova, Nova's templates.
package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The folders of the corpus.
const (
	Libvirt       = "libvirt-9.0.0"
	Nova          = "nova-26.2.2"
	NovaTemplates = "nova-templates"
)

// Dir returns a folder of the corpus: below $DOMAIN_CORPUS, or below
// shared/data beside the checkout. Where neither is there the test is skipped
// with that reason; in CI it fails.
func Dir(t testing.TB, name string) string {
	t.Helper()
	places := []string{filepath.Join(checkout(), "..", "shared", "data", name)}
	if env := os.Getenv("DOMAIN_CORPUS"); env != "" {
		places = []string{filepath.Join(env, name)}
	}
	for _, dir := range places {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	say := t.Skipf
	if os.Getenv("CI") != "" {
		say = t.Fatalf
	}
	say("no corpus %s at %s; set DOMAIN_CORPUS to the folder that holds it", name, strings.Join(places, " or "))
	return ""
}

// Files returns the files of a folder of the corpus that end in suffix.
func Files(t testing.TB, name, suffix string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(Dir(t, name), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("reading the corpus %s: %d files, %v", name, len(files), err)
	}
	return files
}

// checkout is the root of the project's sources.
func checkout() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
