package optionrom

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rom is a ROM of images with a block of 512 bytes each.
func rom(images ...Image) []byte {
	var all []byte
	for i, image := range images {
		b := make([]byte, unit)
		copy(b, "\x55\xaa")
		b[machineAt], b[machineAt+1] = byte(image.Machine), byte(image.Machine>>8)
		b[pcirAt] = 0x40
		pcir := b[0x40:]
		copy(pcir, "PCIR")
		pcir[lengthAt], pcir[codeTypeAt] = 1, image.CodeType
		if i == len(images)-1 {
			pcir[indicator] = lastImage
		}
		all = append(all, b...)
	}
	return all
}

func TestRead(t *testing.T) {
	both := rom(BIOS, UEFIX64)
	endless := rom(BIOS, UEFIX64)
	endless[0x40+lengthAt] = 0
	unnamed := rom(BIOS)
	unnamed[0x40] = 'X'
	for name, c := range map[string]struct {
		rom  []byte
		want []Image
		err  string
	}{
		"for both":              {rom: both, want: []Image{BIOS, UEFIX64}},
		"for UEFI alone":        {rom: rom(UEFIArm64), want: []Image{UEFIArm64}},
		"what follows the last": {rom: append(rom(BIOS), rom(UEFIX64)...), want: []Image{BIOS}},
		"empty":                 {err: "what is at byte 0 does not begin with 55 AA"},
		"text":                  {rom: []byte("version https://git-lfs.github.com/spec/v1"), err: "what is at byte 0 does not begin with 55 AA"},
		"cut":                   {rom: both[:512+0x50], want: []Image{BIOS}, err: "the image at byte 512 has no PCI data structure"},
		"cut between images":    {rom: both[:512], want: []Image{BIOS}, err: "what is at byte 512 does not begin with 55 AA"},
		"without its structure": {rom: unnamed, err: "the image at byte 0 has no PCI data structure"},
		"without a length":      {rom: endless, err: "an image has no length"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(bytes.NewReader(c.rom))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if text := errorText(err); text != c.err {
				t.Errorf("error %q, want %q", text, c.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestReadDebians reads the ROMs of Debian's ipxe-qemu, which have an image for each
// firmware of a PC.
func TestReadDebians(t *testing.T) {
	for name, want := range map[string][]Image{"efi-virtio.rom": {BIOS, UEFIX64}, "pxe-virtio.rom": {BIOS}} {
		f, err := os.Open("/usr/lib/ipxe/qemu/" + name)
		if err != nil {
			t.Skip(err)
		}
		defer f.Close()
		got, err := Read(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(rom(BIOS, UEFIX64))
	f.Add(rom(UEFIArm64))
	f.Fuzz(func(t *testing.T, b []byte) {
		images, err := Read(bytes.NewReader(b))
		if err == nil && len(images) == 0 {
			t.Error("neither an image nor an error")
		}
	})
}
