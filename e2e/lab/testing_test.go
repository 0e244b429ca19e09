package lab

import (
	"strings"
	"testing"
)

func TestSelectOnly(t *testing.T) {
	for _, c := range []struct{ test, pattern, want string }{
		{"TestNova", "", "^TestNova$"},
		{"TestNova", "Nova", "^TestNova$"},
		{"TestNova", "Nova/iso", "^TestNova$/iso"},
		{"TestNova", "Nova/iso/gateway", "^TestNova$/iso/gateway"},
		{"TestNova", "Lab|Nova/iso", "^TestNova$"},
		{"TestNova/iso.1", "Nova/iso/gateway", `^TestNova$/^iso\.1$/gateway`},
	} {
		if got := selectOnly(c.test, c.pattern); got != c.want {
			t.Errorf("selectOnly(%q, %q) = %q, want %q", c.test, c.pattern, got, c.want)
		}
	}
}

func TestPrefixWriter(t *testing.T) {
	var out strings.Builder
	w := &prefixWriter{prefix: "> ", to: &out}
	for _, text := range []string{"one\ntw", "o\n", "\n", "three"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("Write(%q) = %d, %v", text, n, err)
		}
	}
	if want := "> one\n> two\n> \n> three"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
