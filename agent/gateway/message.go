package gateway

// message is a frame with its descriptors.
type message struct {
	head  header
	bytes []byte
	fds   []int
}

// segment is bytes to be sent, with descriptors that go with the first of them.
type segment struct {
	bytes []byte
	fds   []int
}

// segments is a message as virNetSocketSendFD sends it: the frame, then a byte
// for each descriptor.
func (m message) segments() []segment {
	s := []segment{{bytes: m.bytes}}
	for _, fd := range m.fds {
		s = append(s, segment{[]byte{0}, []int{fd}})
	}
	return s
}
