package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/configfile"
	"github.com/virt-netboot/virt-netboot/internal/doctor/osloconf"
)

// nova is nova-compute as its files configure it.
type nova struct {
	conf  osloconf.Config
	files []string // in the order in which Nova reads them
	// process is the running one; its pid is 0 where there is none.
	process process
	// root is the process's, which is another one in a container.
	root      string
	contained bool
	changed   time.Time // when the last of the files was changed
}

// findNova reads the configuration of the nova-compute that runs, or of the one
// that would; nil where there is none.
func (h Host) findNova() (*nova, error) {
	running, err := h.processes("nova-compute")
	if err != nil {
		return nil, err
	}
	n := &nova{root: h.Root}
	if len(running) > 0 {
		n.process = running[0]
		n.root = h.proc(n.process.PID, "root")
		n.contained = !sameFile(n.root, h.Root)
		n.conf.Getenv = n.process.getenv
	}
	n.files, err = n.configFiles()
	if err != nil || len(n.files) == 0 {
		return nil, err
	}
	for _, file := range n.files {
		if err := n.add(file); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *nova) path(path string) string { return filepath.Join(n.root, path) }

func (n *nova) add(file string) error {
	text, err := configfile.Read(n.path(file))
	if err != nil {
		return err
	}
	info, err := os.Stat(n.path(file))
	if err != nil {
		return err
	}
	if info.ModTime().After(n.changed) {
		n.changed = info.ModTime()
	}
	return n.conf.Add(file, text)
}

// configFiles are the files that oslo.config would read, in its order
// (_parse_config_files in oslo_config/cfg.py): its defaults, unless the command
// line names others, then what the command line names.
func (n *nova) configFiles() ([]string, error) {
	args := n.process.args
	var files []string
	if !slices.ContainsFunc(args, isOption("--config-file")) {
		files = n.defaults(".conf")
	}
	dirs := func(paths []string) error {
		for _, dir := range paths {
			inDir, err := n.glob(dir)
			if err != nil {
				return err
			}
			files = append(files, inDir...)
		}
		return nil
	}
	if !slices.ContainsFunc(args, isOption("--config-dir")) {
		if err := dirs(n.defaults(".conf.d")); err != nil {
			return nil, err
		}
	}
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch name {
		case "--config-file":
			files = append(files, value)
		case "--config-dir":
			if err := dirs([]string{value}); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

func isOption(name string) func(arg string) bool {
	return func(arg string) bool { return arg == name || strings.HasPrefix(arg, name+"=") }
}

// defaults are nova.conf and nova-compute.conf, or the directories named after
// them, each from the first place that has it.
func (n *nova) defaults(extension string) []string {
	places := []string{"/etc/nova", "/etc"}
	if n.conf.Getenv != nil {
		if home, ok := n.conf.Getenv("HOME"); ok {
			places = append([]string{filepath.Join(home, ".nova"), home}, places...)
		}
	}
	var found []string
	for _, name := range []string{"nova", "nova-compute"} {
		for _, place := range places {
			path := filepath.Join(place, name+extension)
			if _, err := os.Stat(n.path(path)); !errors.Is(err, fs.ErrNotExist) {
				found = append(found, path)
				break
			}
		}
	}
	return found
}

// glob are the *.conf of a directory, by name.
func (n *nova) glob(dir string) ([]string, error) {
	entries, err := os.ReadDir(n.path(dir))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// sameFile reports whether two paths are one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
