package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ipxeUserClass is DHCP option 77 (RFC 3004) as iPXE sends it.
const ipxeUserClass = "\x4d\x04iPXE"

// listen tells when the first DHCP packet of iPXE's crosses a bridge.
func listen(ctx context.Context, bridge string) <-chan error {
	heard := make(chan error, 1)
	go func() { heard <- awaitIPXE(ctx, bridge) }()
	return heard
}

func awaitIPXE(ctx context.Context, bridge string) error {
	fd, err := packetSocket(bridge)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	frame := make([]byte, 2048)
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(fd, frame, 0)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("receiving from %s: %w", bridge, err)
		case bytes.Contains(frame[:n], []byte(ipxeUserClass)):
			return nil
		}
	}
	return ctx.Err()
}

// packetSocket receives every IPv4 frame of an interface; a read waits a second.
func packetSocket(name string) (int, error) {
	const protocol = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8 // in network byte order
	link, err := net.InterfaceByName(name)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	wait := unix.NsecToTimeval(time.Second.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: link.Index}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("binding to %s: %w", name, err)
	}
	return fd, nil
}
