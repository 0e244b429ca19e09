package timeline

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/virt-netboot/virt-netboot/internal/capture"
	"github.com/virt-netboot/virt-netboot/internal/testing/frames"
)

// FuzzAdd: whatever a guest or its server sends, a timeline goes on.
func FuzzAdd(f *testing.F) {
	files, err := filepath.Glob("testdata/*.pcapng")
	if err != nil || len(files) == 0 {
		f.Fatalf("no captures: %v", err)
	}
	var boot []capture.Frame
	for _, file := range files {
		all, err := frames.Read(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, frame := range all {
			f.Add(frame.Data)
		}
		boot = append(boot, all...)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := New(time.Unix(0, 0))
		for _, frame := range boot[len(boot)-40:] { // with connections to be in
			l.Add(frame)
		}
		l.Add(capture.Frame{Data: data})
		l.Add(capture.Frame{Data: data})
		l.Verdict(Quiet, 0)
	})
}
