// Package optionrom reads what a PCI option ROM has: images, each for one kind of
// firmware.
//
//	images, err := optionrom.Read(file)
//	if err != nil {
//		return err
//	}
//	if !slices.Contains(images, optionrom.BIOS) {
//		return errors.New("SeaBIOS runs none of them")
//	}
package optionrom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Image is whom an image of a ROM is for.
type Image struct {
	// CodeType is 0 for a PC's BIOS and 3 for UEFI (PCI Firmware Specification 3.0,
	// table 5-2).
	CodeType byte
	// Machine is the processor of an image for UEFI, as in PE files (UEFI Specification
	// 2.10, section 14.4.2); 0 in others.
	Machine uint16
}

// The images that guests run.
var (
	BIOS      = Image{CodeType: codeBIOS}
	UEFIX64   = Image{CodeType: codeUEFI, Machine: 0x8664}
	UEFIIA32  = Image{CodeType: codeUEFI, Machine: 0x014c}
	UEFIArm64 = Image{CodeType: codeUEFI, Machine: 0xaa64}
)

const (
	codeBIOS = 0
	codeUEFI = 3
)

// String is the firmware that the image is for.
func (i Image) String() string {
	switch i {
	case BIOS:
		return "BIOS"
	case UEFIX64:
		return "UEFI on x86-64"
	case UEFIIA32:
		return "UEFI on x86"
	case UEFIArm64:
		return "UEFI on arm64"
	}
	if i.CodeType == codeUEFI {
		return fmt.Sprintf("UEFI on machine type %#04x", i.Machine)
	}
	return fmt.Sprintf("code type %d", i.CodeType)
}

// Read reads the headers of all images. An error says why there are no more that
// firmware would find.
func Read(rom io.ReaderAt) ([]Image, error) {
	var all []Image
	for at := int64(0); ; {
		image, length, last, err := read(rom, at)
		if err != nil {
			return all, err
		}
		all = append(all, image)
		if last {
			return all, nil
		}
		at += length
	}
}

// The layout of an image (PCI Firmware Specification 3.0, sections 5.1.1 and 5.1.2, and
// UEFI Specification 2.10, table 14-25).
const (
	headerSize = 0x1a
	machineAt  = 0x0a
	pcirAt     = 0x18
	pcirSize   = 0x16
	lengthAt   = 0x10
	codeTypeAt = 0x14
	indicator  = 0x15
	lastImage  = 1 << 7
	unit       = 512
)

// read reads the image at an offset, with its length in bytes.
func read(rom io.ReaderAt, at int64) (image Image, length int64, last bool, err error) {
	header, pcir := make([]byte, headerSize), make([]byte, pcirSize)
	if _, err := rom.ReadAt(header, at); err != nil || header[0] != 0x55 || header[1] != 0xaa {
		return Image{}, 0, false, fmt.Errorf("what is at byte %d does not begin with 55 AA", at)
	}
	_, err = rom.ReadAt(pcir, at+int64(binary.LittleEndian.Uint16(header[pcirAt:])))
	if err != nil || string(pcir[:4]) != "PCIR" {
		return Image{}, 0, false, fmt.Errorf("the image at byte %d has no PCI data structure", at)
	}
	image.CodeType = pcir[codeTypeAt]
	if image.CodeType == codeUEFI {
		image.Machine = binary.LittleEndian.Uint16(header[machineAt:])
	}
	length = unit * int64(binary.LittleEndian.Uint16(pcir[lengthAt:]))
	last = pcir[indicator]&lastImage != 0
	if length == 0 && !last {
		err = errors.New("an image has no length")
	}
	return image, length, last, err
}
