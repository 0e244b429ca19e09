package lab

import "encoding/binary"

// KernelSays is what Kernel writes to the serial line, again and again.
const KernelSays = "kernel runs\r\n"

// Kernel is a bzImage that QEMU's -kernel and libvirt's <kernel> boot: 16-bit
// code in its set-up sector that writes KernelSays to COM1 at every tick of the
// BIOS clock, 18 times a second, and sends back what it gets there, one byte a
// tick. Its header is that of Linux's
// Documentation/arch/x86/boot.rst, protocol 2.02.
func Kernel() []byte {
	const (
		setupSects = 0x1f1
		bootFlag   = 0x1fe
		entry      = 0x200 // CS:0 when the set-up code starts
		version    = 0x206
		loadFlags  = 0x211
		code       = 0x240
		text       = 0x280
	)
	image := make([]byte, 4096)
	image[setupSects] = 1
	binary.LittleEndian.PutUint16(image[bootFlag:], 0xaa55)
	copy(image[entry:], []byte{0xeb, code - entry - 2}) // jmp code
	copy(image[entry+2:], "HdrS")
	binary.LittleEndian.PutUint16(image[version:], 0x0202)
	image[loadFlags] = 1 // LOADED_HIGH
	copy(image[code:], []byte{
		0xfb,       // sti
		0xfc,       // cld
		0x0e, 0x1f, // push cs; pop ds
		0xb8, 0x40, 0x00, 0x8e, 0xc0, // mov ax, 0x40; mov es, ax: the BIOS data area
		// again:
		0xbe, text - entry, 0x00, // mov si, text
		0xba, 0xf8, 0x03, // mov dx, 0x3f8: COM1
		// next:
		0xac,       // lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x03, // jz echo
		0xee,       // out dx, al
		0xeb, 0xf8, // jmp next
		// echo:
		0xba, 0xfd, 0x03, // mov dx, 0x3fd: its line status
		0xec,       // in al, dx
		0xa8, 0x01, // test al, 1: something received
		0x74, 0x05, // jz tick
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xec, // in al, dx
		0xee, // out dx, al
		// tick:
		0x26, 0x8b, 0x1e, 0x6c, 0x00, // mov bx, es:[0x6c]: the clock
		// wait:
		0xf4,                         // hlt
		0x26, 0x3b, 0x1e, 0x6c, 0x00, // cmp bx, es:[0x6c]
		0x74, 0xf8, // je wait
		0xeb, 0xd6, // jmp again
	})
	copy(image[text:], KernelSays)
	return image
}
