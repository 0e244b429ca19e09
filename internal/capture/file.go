package capture

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// File is a pcapng file with the frames of one or more devices.
type File struct {
	devices []string
	file    *os.File
	writer  *pcapgo.NgWriter
}

// Create makes a file that its owner alone may read. The path must be free: root writes
// over no file and follows no link that others have put there.
func Create(path string, devices []string) (*File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keeping the frames: %w", err)
	}
	f := &File{devices: devices, file: file}
	if err := f.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("keeping the frames in %s: %w", path, err), file.Close())
	}
	return f, nil
}

func (f *File) begin() (err error) {
	options := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "virt-netboot"}}
	for i, device := range f.devices {
		link := pcapgo.NgInterface{Name: device, LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}
		if i == 0 {
			f.writer, err = pcapgo.NewNgWriterInterface(f.file, link, options)
		} else {
			_, err = f.writer.AddInterface(link)
		}
		if err != nil {
			return err
		}
	}
	return f.writer.Flush()
}

// Write adds a frame of one of the file's devices.
func (f *File) Write(frame Frame) error {
	info := gopacket.CaptureInfo{
		Timestamp:      frame.At,
		CaptureLength:  len(frame.Data),
		Length:         frame.Length,
		InterfaceIndex: slices.Index(f.devices, frame.Device),
	}
	if err := f.writer.WritePacket(info, frame.Data); err != nil {
		return fmt.Errorf("keeping the frames in %s: %w", f.file.Name(), err)
	}
	return nil
}

// Close writes what is left.
func (f *File) Close() error {
	if err := errors.Join(f.writer.Flush(), f.file.Close()); err != nil {
		return fmt.Errorf("keeping the frames in %s: %w", f.file.Name(), err)
	}
	return nil
}
