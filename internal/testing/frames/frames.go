// Package frames reads capture files.
package frames

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/virt-netboot/virt-netboot/internal/capture"
)

// Read returns the frames of a file in pcap's format, as tcpdump and QEMU's filter-dump
// write it, or in pcapng. Of a file that is still being written it returns those that
// are whole.
func Read(path string) ([]capture.Frame, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	source, device, err := open(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var all []capture.Frame
	for {
		data, info, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		all = append(all, capture.Frame{Device: device(info.InterfaceIndex), At: info.Timestamp, Data: data, Length: info.Length})
	}
}

// open returns the frames, and a function for the name of a device by its number.
func open(file io.ReadSeeker) (gopacket.PacketDataSource, func(int) string, error) {
	if pcap, err := pcapgo.NewReader(file); err == nil {
		return pcap, func(int) string { return "" }, nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, nil, err
	}
	ng, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return nil, nil, err
	}
	return ng, func(i int) string {
		link, _ := ng.Interface(i)
		return link.Name
	}, nil
}
