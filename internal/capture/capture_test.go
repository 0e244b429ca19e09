package capture

import (
	"bytes"
	"testing"
)

// TestTagged: a VLAN's tag comes back between the addresses and the EtherType.
func TestTagged(t *testing.T) {
	frame := []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x08\x00payload")
	want := []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x81\x00\x00\x28\x08\x00payload")
	if got := tagged(frame, 40); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if got := tagged(frame[:3], 40); !bytes.Equal(got, frame[:3]) {
		t.Errorf("a frame that is none became %x", got)
	}
}
