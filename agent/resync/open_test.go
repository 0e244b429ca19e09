package resync

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSnapshotIsUndisturbed(t *testing.T) {
	tests := []struct {
		name    string
		disturb func(t *testing.T, path string)
		want    error
	}{
		{"in no program", func(*testing.T, string) {}, nil},
		{"by a reader", func(t *testing.T, path string) {
			if _, err := os.ReadFile(path); err != nil {
				t.Error(err)
			}
		}, nil},
		{"not by one who opens it for writing", func(t *testing.T, path string) {
			// The kernel holds the writer up until the lease is given back.
			go func() {
				if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
					f.Close()
				}
			}()
			time.Sleep(100 * time.Millisecond)
		}, errBusy},
		{"not by one who renames it", func(t *testing.T, path string) {
			if err := os.Rename(path, path+"~"); err != nil {
				t.Error(err)
			}
		}, errBusy},
		{"not by one who renames another over it", func(t *testing.T, path string) {
			if err := os.WriteFile(path+".new", []byte("CONTENT"), 0o600); err != nil {
				t.Error(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Error(err)
			}
		}, errBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := openSnapshot(openDir(t, path), "f")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !s.leased {
				t.Skip("left out: this file system knows no leases")
			}
			tt.disturb(t, path)
			if err := s.undisturbed(); !errors.Is(err, tt.want) {
				t.Errorf("undisturbed() = %v, want %v", err, tt.want)
			}
		})
	}
}
