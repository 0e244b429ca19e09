package osloconf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/virt-netboot/virt-netboot/internal/doctor/osloconf"
)

// TestGet reads the files of each testdata/*.txtar, in their order, and finds
// what its part "want" says.
func TestGet(t *testing.T) {
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(c)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestOsloAgrees proves what the files want with oslo.config itself (Debian's
// python3-oslo.config).
func TestOsloAgrees(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which has Debian's modules
	if err := exec.Command(python, "-c", "import oslo_config").Run(); err != nil {
		t.Skip("this machine lacks Debian's python3-oslo.config")
	}
	var asked bytes.Buffer
	for _, c := range cases(t) {
		question := struct {
			Files []string          `json:"files"`
			Env   map[string]string `json:"env"`
		}{Env: map[string]string{}}
		dir := t.TempDir()
		for _, f := range c.files {
			path := filepath.Join(dir, f.Name)
			if err := os.WriteFile(path, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
			question.Files = append(question.Files, path)
		}
		for _, e := range c.env {
			name, value, _ := strings.Cut(e, "=")
			question.Env[name] = value
		}
		if err := json.NewEncoder(&asked).Encode(question); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, "testdata/oslo.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &asked, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for _, c := range cases(t) {
		var got map[string]string
		if err := answers.Decode(&got); err != nil {
			t.Fatalf("%s: reading %q: %v", c.name, out, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: oslo.config differs, -want +got:\n%s", c.name, diff)
		}
	}
}

// testCase is one archive of testdata.
type testCase struct {
	name  string
	files []txtar.File
	env   []string          // NAME=VALUE
	want  map[string]string // by GROUP.OPTION; "error" is FILE:LINE
}

func cases(t *testing.T) []testCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata (%v)", err)
	}
	var all []testCase
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := testCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar")}
		for _, f := range archive.Files {
			switch f.Name {
			case "want":
				if err := json.Unmarshal(f.Data, &c.want); err != nil {
					t.Fatalf("%s: %v", path, err)
				}
			case "env":
				c.env = strings.Fields(string(f.Data))
			default:
				c.files = append(c.files, f)
			}
		}
		all = append(all, c)
	}
	return all
}

func read(c testCase) map[string]string {
	conf := osloconf.Config{Getenv: getenv(c.env)}
	for _, f := range c.files {
		if err := conf.Add(f.Name, string(f.Data)); err != nil {
			var syntax *osloconf.SyntaxError
			if errors.As(err, &syntax) {
				return map[string]string{"error": fmt.Sprintf("%s:%d", syntax.File, syntax.Line)}
			}
			return map[string]string{"error": err.Error()}
		}
	}
	got := make(map[string]string)
	for name, before := range map[string][]string{
		"libvirt.connection_uri": {"DEFAULT.libvirt_uri"},
		"libvirt.virt_type":      {"DEFAULT.libvirt_type"},
		"DEFAULT.compute_driver": nil,
		"DEFAULT.state_path":     nil,
	} {
		switch v, ok, err := conf.Get(name, before...); {
		case err != nil:
			got[name] = err.Error()
		case ok:
			got[name] = v.Text
		}
	}
	return got
}

func getenv(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range env {
			if n, value, _ := strings.Cut(e, "="); n == name {
				return value, true
			}
		}
		return "", false
	}
}

// TestWhere: a value is found where it is set, after later lines and files.
func TestWhere(t *testing.T) {
	var conf osloconf.Config
	for _, f := range [][2]string{
		{"nova.conf", "[libvirt]\nconnection_uri = a\n[DEFAULT]\nx = 1\n[Libvirt]\nconnection_uri = b\n"},
		{"nova-compute.conf", "[libvirt]\nvirt_type = qemu\n"},
	} {
		if err := conf.Add(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	got, ok, err := conf.Get("libvirt.connection_uri")
	if want := (osloconf.Value{Text: "b", File: "nova.conf", Line: 6}); !ok || err != nil || got != want {
		t.Errorf("got %+v, %t, %v, want %+v", got, ok, err, want)
	}
}

// TestUnset: what stands for an option that no file sets is not known here.
func TestUnset(t *testing.T) {
	var conf osloconf.Config
	if err := conf.Add("nova.conf", "[libvirt]\nconnection_uri = qemu+tcp://$my_ip/system\n[DEFAULT]\nloop = $loop\n"); err != nil {
		t.Fatal(err)
	}
	got, ok, err := conf.Get("libvirt.connection_uri")
	var unset *osloconf.UnsetError
	if !ok || !errors.As(err, &unset) || unset.Option != "libvirt.my_ip" {
		t.Errorf("got %+v, %t, %v", got, ok, err)
	}
	if got.Text != "qemu+tcp://$my_ip/system" || got.Line != 2 {
		t.Errorf("the value as it is in the file: %+v", got)
	}
	if _, _, err := conf.Get("DEFAULT.loop"); err == nil {
		t.Error("an option that contains itself has a value")
	}
}
