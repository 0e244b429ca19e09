package bootsector

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/domainxml"
	"github.com/virt-netboot/virt-netboot/internal/bounded"
)

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed")
	}
	if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v: %v\n%s", args, err, out)
	}
}

// file is a file of a MiB that begins as given.
func file(t *testing.T, dir, name, head string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, append([]byte(head), make([]byte, 1<<20-len(head))...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withoutBackingFormat makes an image one of those that qemu-img created up to
// version 6.0: without the header extension that names the format of its backing
// file, whose place an unknown extension takes.
func withoutBackingFormat(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.Replace(content, []byte{0xe2, 0x79, 0x2a, 0xca}, []byte("none"), 1)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	mbr := strings.Repeat("\x90", 510) + "\x55\xaa"
	blank, bootable := file(t, dir, "blank.raw", ""), file(t, dir, "mbr.raw", mbr)
	gpt := file(t, dir, "gpt.raw", strings.Repeat("\x00", 512)+"EFI PART")
	image := func(name string, args ...string) string {
		path := filepath.Join(dir, name)
		qemuImg(t, append(append([]string{"create", "-q", "-f", "qcow2"}, args...), path, "1M")...)
		return path
	}
	blankQcow2 := image("blank.qcow2")
	converted := filepath.Join(dir, "mbr.qcow2")
	qemuImg(t, "convert", "-f", "raw", "-O", "qcow2", "-c", bootable, converted)
	overlay := image("overlay.qcow2", "-b", "mbr.qcow2", "-F", "qcow2")
	onRaw := image("on-raw.qcow2", "-b", bootable, "-F", "raw")
	unnamed := image("unnamed.qcow2", "-u", "-b", bootable, "-F", "raw")
	withoutBackingFormat(t, unnamed)
	remote := image("remote.qcow2", "-u", "-b", "nbd://192.0.2.1/disk", "-F", "raw")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := image("elsewhere.qcow2", "-o", "data_file="+filepath.Join(dir, "elsewhere.raw"))
	onFIFO := image("on-fifo.qcow2", "-u", "-b", fifo, "-F", "raw")
	// A guest's raw disk on which the guest has written a qcow2 header that names a
	// file of the host: it is read as raw, so that file is not opened.
	malicious := filepath.Join(dir, "malicious.raw")
	content, err := os.ReadFile(onRaw)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(malicious, content, 0o600); err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(dir, "small.raw")
	if err := os.WriteFile(small, []byte(mbr), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, format string
		bootable     bool
		err          string
	}{
		{path: blank, format: "raw"},
		{path: bootable, format: "raw", bootable: true},
		{path: gpt, format: "raw", bootable: true},
		{path: small, format: "raw", bootable: true},
		{path: blankQcow2, format: "qcow2"},
		{path: converted, format: "qcow2", bootable: true},
		{path: converted, format: "raw"},
		{path: overlay, format: "qcow2", bootable: true},
		{path: onRaw, format: "qcow2", bootable: true},
		{path: malicious, format: "raw"},
		{path: unnamed, format: "qcow2", err: "has no format in the header"},
		{path: remote, format: "qcow2", err: `"nbd://192.0.2.1/disk" is not a file of this machine`},
		{path: elsewhere, format: "qcow2", err: "its content is in another file"},
		{path: onFIFO, format: "qcow2", err: "neither a regular file nor a block device"},
		{path: fifo, format: "raw", err: "neither a regular file nor a block device"},
		{path: "/dev/null", format: "raw", err: "neither a regular file nor a block device"},
		{path: dir, format: "raw", err: "neither a regular file nor a block device"},
		{path: dir + "/nothing", format: "raw", err: "no such file or directory"},
		{path: blank, format: "qcow2", err: "Image is not in qcow2 format"},
		{path: blank, format: "vmdk", err: "format vmdk is neither raw nor qcow2"},
	} {
		t.Run(filepath.Base(c.path)+" as "+c.format, func(t *testing.T) {
			head, err := patient().Read(domainxml.DiskSource{Path: c.path, Format: c.format}, domainxml.BootSectors)
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), c.path) {
					t.Errorf("error %v; want one about %s with %q", err, c.path, c.err)
				}
			case err != nil:
				t.Error(err)
			case domainxml.HasBootSector(head) != c.bootable:
				t.Errorf("bootable %v, want %v", !c.bootable, c.bootable)
			}
		})
	}
}

// TestOwner: a disk's owner has written a header that names a file of root's. It is read
// with the owner's rights, and so is what is put in a path's place later.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	const owner = 12345
	secret, open := file(t, dir, "secret.raw", "secret"), file(t, dir, "open.raw", "open")
	secretImage := filepath.Join(dir, "secret.qcow2")
	qemuImg(t, "convert", "-f", "raw", "-O", "qcow2", secret, secretImage)
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, open: 0o644, secret: 0o600, secretImage: 0o600} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ backing, format, head string }{
		{secret, "raw", ""},
		{secretImage, "qcow2", ""},
		{open, "raw", "open"},
	} {
		disk := filepath.Join(dir, "disk.qcow2")
		qemuImg(t, "create", "-q", "-f", "qcow2", "-b", c.backing, "-F", c.format, disk)
		if err := errors.Join(os.Chmod(disk, 0o600), os.Chown(disk, owner, owner)); err != nil {
			t.Fatal(err)
		}
		head, err := patient().Read(domainxml.DiskSource{Path: disk, Format: "qcow2"}, max(len(c.head), 4))
		if c.head == "" && !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s behind the disk: %q, %v; want permission denied", c.backing, head, err)
		}
		if c.head != "" && (err != nil || string(head) != c.head) {
			t.Errorf("%s behind the disk: %q, %v", c.backing, head, err)
		}
	}
}

// TestNoPath: the names of the files do not count any more once they are open.
func TestNoPath(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.qcow2")
	file(t, dir, "base.raw", "base")
	qemuImg(t, "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", disk)
	c, err := openChain(t.Context(), domainxml.DiskSource{Path: disk, Format: "qcow2"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if head, err := c.copyHead(t.Context(), 4); err != nil || string(head) != "base" {
		t.Errorf("%q, %v", head, err)
	}
}

// patient is a reader for a machine that does a lot of other things.
func patient() *Reader { return &Reader{bounded.New(time.Minute)} }

// TestHangs has a qemu-img that hangs in place of the real one: a stand-in for
// storage that does not answer, which a test cannot take away from the kernel.
func TestHangs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "qemu-img"), []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	disk := domainxml.DiskSource{Path: file(t, dir, "disk", ""), Format: "qcow2"}
	began := time.Now()
	_, err := New().Read(disk, 512)
	if err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestShared has many ask for one disk at once, with a qemu-img that notes each
// call.
func TestShared(t *testing.T) {
	real, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "disk")
	qemuImg(t, "convert", "-f", "raw", "-O", "qcow2", file(t, dir, "content", "boot"), path)
	script := "#!/bin/sh\necho x >>" + dir + "/calls\n" + "sleep 0.3\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "qemu-img"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	disk := domainxml.DiskSource{Path: path, Format: "qcow2"}
	r := patient()
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if head, err := r.Read(disk, 4); err != nil || string(head) != "boot" {
				t.Errorf("%q, %v", head, err)
			}
		})
	}
	group.Wait()
	if calls, err := os.ReadFile(dir + "/calls"); err != nil || string(calls) != "x\nx\n" { // info and dd
		t.Errorf("qemu-img ran for %q, %v", calls, err)
	}
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", path, "1M").CombinedOutput(); err != nil {
		b.Skipf("%v\n%s", err, out)
	}
	r := New()
	for b.Loop() {
		if _, err := r.Read(domainxml.DiskSource{Path: path, Format: "qcow2"}, domainxml.BootSectors); err != nil {
			b.Fatal(err)
		}
	}
}
