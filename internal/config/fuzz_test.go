package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzParse: no file makes Parse panic, and every mistake has a position in the file.
func FuzzParse(f *testing.F) {
	mistakes, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mistakes)
	f.Add([]byte(everyKey))
	f.Add([]byte("rules: [&a {name: x}, *a]\n---\n? [a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := Parse("config.yaml", b)
		var mistakes Errors
		if !errors.As(err, &mistakes) {
			if err != nil {
				t.Fatalf("no place in the file: %v", err)
			}
			return
		}
		lines := strings.Count(normalize(b), "\n") + 1
		for _, e := range mistakes {
			if e.Line < 1 || e.Line > lines || e.Column < 1 {
				t.Errorf("%v, in a file of %d lines", e, lines)
			}
		}
		mistakes.Detail()
	})
}
