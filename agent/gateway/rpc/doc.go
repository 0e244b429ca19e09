// Package rpc reads libvirt's RPC (src/rpc/virnetprotocol.x and
// src/remote/remote_protocol.x in libvirt's source, whose names it uses) as it passes:
//
//	piece, err := framer.Next(received) // where a frame begins and ends
//	call, err := rpc.ParseCall(message) // the document in a call
//	changed := call.WithXML(document)   // the same call with another document
//
// protocol.go has the numbers and the header, frame.go finds the frames in a stream and
// checks their lengths, message.go is a frame with its descriptors, and call.go reads and
// replaces a call's document.
package rpc
