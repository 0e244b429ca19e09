// Package rpc reads libvirt's RPC as it passes. Its names are those of libvirt's source
// (src/rpc/virnetprotocol.x and src/remote/remote_protocol.x):
//
//	piece, err := framer.Next(received) // frame.go: where a frame begins and ends
//	call, err := rpc.ParseCall(message) // call.go: the document in a call
//	changed := call.WithXML(document)   // the same call with another document
//
// protocol.go has the numbers and the header, message.go a frame with its descriptors.
package rpc
