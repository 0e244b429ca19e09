package timeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const tftpPort = 69

// TFTP's packets (RFC 1350, RFC 2347).
const (
	tftpRead  = 1
	tftpData  = 3
	tftpError = 5
	tftpOACK  = 6
)

// transfer is a file that a TFTP server is asked for.
type transfer struct {
	mac, file string
	blockSize int64
	block     uint16 // the last one
	bytes     int64
	ended     bool
}

// transferOf is by whom a server is asked; it answers from another port.
func transferOf(client netip.AddrPort, server netip.Addr) flow {
	return flow{client, netip.AddrPortFrom(server, 0)}
}

// tftp reads a request for a file, its end or an error.
func (w *wire) tftp(p packet, at time.Time) (Event, bool) {
	payload := p.udp.Payload
	if len(payload) < 4 {
		return Event{}, false
	}
	code, value := binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])
	if p.to.Port() == tftpPort && code == tftpRead {
		return w.tftpRequest(p)
	}
	if tr := w.transfers[transferOf(p.from, p.to.Addr())]; tr != nil && code == tftpError {
		tr.ended = true
		return tr.event(TFTPCancel, p.to.Addr(), "the client ends it, "+text(payload[4:])), true
	}
	tr := w.transfers[transferOf(p.to, p.from.Addr())]
	if tr == nil {
		return Event{}, false
	}
	w.last = at
	switch code {
	case tftpOACK:
		tr.accept(payload[2:])
	case tftpError:
		tr.ended = true
		reason := text(payload[4:])
		if reason == "" {
			reason = fmt.Sprintf("error %d", value)
		}
		return tr.event(TFTPError, p.from.Addr(), reason), true
	case tftpData:
		if tr.add(value, int64(len(payload)-4)) {
			e := tr.event(TFTPSent, p.from.Addr(), fmt.Sprintf("%d bytes", tr.bytes))
			e.Status, e.Bytes = "", tr.bytes
			return e, true
		}
	}
	return Event{}, false
}

func (w *wire) tftpRequest(p packet) (Event, bool) {
	tr := &transfer{mac: p.source, file: text(p.udp.Payload[2:]), blockSize: 512}
	remember(w.transfers, transferOf(p.from, p.to.Addr()), tr)
	server := p.to.Addr()
	return Event{
		Kind: TFTPRequest, MAC: tr.mac, Server: server, File: tr.file,
		Text: fmt.Sprintf("TFTP request to %s: %s", server, tr.file),
		same: fmt.Sprint("tftp ", p.from, server, tr.file),
	}, true
}

func (tr *transfer) event(kind Kind, server netip.Addr, result string) Event {
	return Event{
		Kind: kind, MAC: tr.mac, Server: server, File: tr.file, Status: result,
		Text: fmt.Sprintf("TFTP from %s: %s: %s", server, tr.file, result),
		same: fmt.Sprintf("%s %p", kind, tr),
	}
}

// accept reads the options that a server has accepted (RFC 2348).
func (tr *transfer) accept(options []byte) {
	words := strings.Split(string(options), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		if size, err := strconv.ParseInt(words[i+1], 10, 32); err == nil && strings.EqualFold(words[i], "blksize") && size > 0 {
			tr.blockSize = size
		}
	}
}

// add adds a block, and returns true for the last one. Blocks that the listener lost
// were full ones; one that was there before is of a retransmission.
func (tr *transfer) add(block uint16, size int64) bool {
	ahead := block - tr.block
	if tr.ended || ahead == 0 || ahead > 1<<15 {
		return false
	}
	tr.block = block
	tr.bytes += int64(ahead-1)*tr.blockSize + size
	tr.ended = size < tr.blockSize
	return tr.ended
}

// text is the string up to a zero byte.
func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
